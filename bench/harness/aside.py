"""What turns leave behind is put aside, and removed when all is over.

To remove it between turns would be at the cost of whoever comes next: ext4 passes one by one over
the inodes of files that were deleted in the last minutes when it makes new ones. With some hundred
files of each turn before, that was a third of the samples of a turn that writes as many.
"""
import atexit
import itertools
import os
import shutil
import tempfile

number = itertools.count()
root = []


def folder():
    """A new one; it stays until all is over."""
    if not root:
        root.append(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, root[0], ignore_errors=True)
    made = os.path.join(root[0], str(next(number)))
    os.mkdir(made)
    return made


def put(path):
    """Moves what is there, if anything is."""
    if os.path.exists(path):
        os.rename(path, os.path.join(folder(), os.path.basename(path)))
