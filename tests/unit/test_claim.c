/* Whose a checkpoint folder is: only the one that has the epoch is opened. */
#include "base/claim.h"

#include "unit/scratch_dir.h"
#include "unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool opens(scratch_dir *d, const char *dir, uint64_t epoch)
{
    ds_error error = {.message = ""};
    int fd = ds_claim_open(scratch_path(d, dir), epoch, &error);
    if (fd < 0) {
        ck_assert_int_eq(error.status, DS_ERR_IO);
        ck_assert_ptr_nonnull(strstr(error.message, "was removed or replaced"));
        return false;
    }
    ck_assert(ds_claim_leads_to(scratch_path(d, dir), fd));
    close(fd);
    return true;
}

START_TEST(only_the_folder_that_has_the_epoch)
{
    scratch_dir d;
    scratch_open(&d);
    ck_assert(!opens(&d, "state", 7)); /* nothing is made */
    ck_assert(!scratch_exists(&d, "state"));
    mkdir(scratch_path(&d, "state"), 0700);
    ck_assert(!opens(&d, "state", 7)); /* no lock */
    scratch_write(&d, "state/lock", "");
    ck_assert(!opens(&d, "state", 7));
    scratch_write(&d, "state/lock", "0000000000000007"); /* it is cut short */
    ck_assert(!opens(&d, "state", 7));
    scratch_write(&d, "state/lock", "0000000000000007\n");
    ck_assert(opens(&d, "state", 7));
    ck_assert(!opens(&d, "state", 8));
    scratch_write(&d, "state/lock", "ffffffffffffffff\n"); /* of the next run */
    ck_assert(!opens(&d, "state", 7));
    ck_assert(opens(&d, "state", UINT64_MAX));
    scratch_close(&d);
}
END_TEST

START_TEST(a_path_that_leads_elsewhere)
{
    scratch_dir d;
    scratch_open(&d);
    scratch_write(&d, "a", "x");
    int fd = open(scratch_path(&d, "a"), O_RDONLY);
    ck_assert(ds_claim_leads_to(scratch_path(&d, "a"), fd));
    char *b = strdup(scratch_path(&d, "b"));
    ck_assert_int_eq(rename(scratch_path(&d, "a"), b), 0);
    ck_assert(!ds_claim_leads_to(scratch_path(&d, "a"), fd));
    ck_assert(ds_claim_leads_to(b, fd));
    scratch_write(&d, "a", "x");
    ck_assert(!ds_claim_leads_to(scratch_path(&d, "a"), fd));
    free(b);
    close(fd);
    scratch_close(&d);
}
END_TEST

UNIT_MAIN("claim", only_the_folder_that_has_the_epoch, a_path_that_leads_elsewhere)
