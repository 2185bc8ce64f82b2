/*
 * Adding the staged files of a batch to the ends of growing files: the `append` sinks' half of a
 * commit.
 *
 * The commit record says which file it is and how long it is before (its base), and what is added.
 * So after a crash it is known whose bytes stand behind the base: those of this batch, as far as
 * they came (or zeros, where the system had made the file longer and not written it). They are
 * completed from the staged files, which are removed only when all is on the disk and a mark
 * says so (placed.h). If one of them is missing and there is no mark, all of it is in the file, or
 * it is lost: its batch has to run again. Bytes there that are of neither kind are somebody else's:
 * nothing is overwritten, and the app ends with a message. A file that was renamed meanwhile
 * (rotated) is found by its inode, if it is still in the same folder.
 *
 * A file that is not as its base says, when nothing of the batch can be in it yet, was renamed, cut
 * or written to by somebody else. Then it is only measured (driver/appends.c says how that goes
 * on): an append begins only at a base that is noted.
 *
 * Called from the disk thread; the driver looks at no row.
 */
#ifndef DS_CHECKPOINT_APPEND_H
#define DS_CHECKPOINT_APPEND_H

#include "scheduler/batch_commit.h"

/*
 * Adds what is missing of every append at its base, makes it durable if asked to, and then removes
 * the staged files. ends (one for each append) receives the bases; where a file is not as its base
 * says nothing is added, *moved is set, and ends has what it is now, after its last line was ended
 * if it was not. lost receives, by append, whether it is: nothing is left of it then. Makes files
 * that are not there. May be called again, whatever it did. DS_ERR_IO: worth a retry; DS_ERR_APP:
 * somebody else wrote where the batch belongs.
 */
ds_status ds_append_files(const ds_commit *commit, bool durable, ds_append_end *ends, bool *moved,
                          bool *lost, ds_error *error);

#endif
