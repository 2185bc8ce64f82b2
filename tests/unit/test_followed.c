/* Followed files, told from others: what cannot be read or looked at is neither gone nor another.
 */
#include "receiver/followed.h"

#include "unit/scratch_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#define UNREADABLE "/proc/self/mem" /* a regular file whose first bytes nobody can read */

static ds_file_id id_of(const char *path, uint32_t head_bytes)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ds_file_id id = {.device = st.st_dev, .inode = st.st_ino};
    ck_assert(ds_head_read(fd, head_bytes, &id));
    close(fd);
    return id;
}

START_TEST(heads_are_the_same_other_or_unread)
{
    scratch_dir d;
    scratch_open(&d);
    scratch_write(&d, "log", "abcdef");
    ds_file_id id = id_of(scratch_path(&d, "log"), 4), none = {0};
    ck_assert_uint_eq(id.head_bytes, 4);
    int fd = open(scratch_path(&d, "log"), O_RDWR | O_CLOEXEC), dir = open(d.path, O_RDONLY);
    ck_assert_int_eq(ds_head_check(fd, &id), DS_HEAD_SAME);
    ck_assert(ds_head_read(fd, 0, &none));
    ck_assert_int_eq(ds_head_check(fd, &none), DS_HEAD_SAME);
    ck_assert_int_eq(pwrite(fd, "x", 1, 3), 1);
    ck_assert_int_eq(ds_head_check(fd, &id), DS_HEAD_OTHER);
    ck_assert_int_eq(ftruncate(fd, 3), 0);
    ck_assert_int_eq(ds_head_check(fd, &id), DS_HEAD_OTHER);
    ck_assert_int_eq(ds_head_check(dir, &id), DS_HEAD_UNREAD);
    ck_assert_int_eq(errno, EISDIR);
    ds_file_id before = id;
    ck_assert(!ds_head_read(fd, 4, &id)); /* it shrank */
    ck_assert_int_eq(errno, 0);
    ck_assert(!ds_head_read(dir, 4, &id));
    ck_assert_int_eq(errno, EISDIR);
    ck_assert_int_eq(memcmp(&id, &before, sizeof id), 0);
    close(fd);
    close(dir);
    ck_assert_int_eq(ds_head_check(fd, &id), DS_HEAD_UNREAD);
    ck_assert_int_eq(errno, EBADF);
    id.head_bytes = DS_HEAD_BYTES + 1;
    ck_assert_int_eq(ds_head_check(fd, &id), DS_HEAD_OTHER);
    scratch_close(&d);
}
END_TEST

static void expect(const char *path, const ds_file_id *id, uint32_t pid, ds_status status,
                   const char *said)
{
    int fd = -1;
    ds_error error = {.message = ""};
    ds_status got = ds_followed_open(path, id, pid, 0, &fd, NULL, 0, &error);
    ck_assert_msg(got == status, "%s: %s", ds_status_name(got), error.message);
    ck_assert_msg(strstr(error.message, said) != NULL, "%s", error.message);
    if (got == DS_OK)
        close(fd);
}

START_TEST(what_cannot_be_read_is_not_gone)
{
    int held = open(UNREADABLE, O_RDONLY | O_CLOEXEC); /* so it keeps its inode */
    ck_assert_int_ge(held, 0);
    ds_file_id id = id_of(UNREADABLE, 0);
    expect(UNREADABLE, &id, 0, DS_OK, "");
    id.head_bytes = 3;
    expect(UNREADABLE, &id, 0, DS_ERR_IO, "Input/output error");
    id.inode++;
    expect("/proc/self/nothing", &id, 0, DS_ERR_NO_INPUT, "is gone");
    close(held);
}
END_TEST

/* No descriptor is left for the folder of a file that was renamed. */
START_TEST(who_cannot_look_does_not_know)
{
    scratch_dir d;
    struct rlimit all, none;
    scratch_open(&d);
    scratch_write(&d, "log", "abc");
    ds_file_id id = id_of(scratch_path(&d, "log"), 3);
    rename(scratch_path(&d, "log"), scratch_path(&d, "log.1"));
    const char *path = scratch_path(&d, "log");
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
    none = all;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    expect(path, &id, 0, DS_ERR_IO, "Too many open files");
    ck_assert(ds_folder_is_away(path, id.device));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
    expect(path, &id, 0, DS_OK, "");
    ck_assert(!ds_folder_is_away(path, id.device));
    scratch_close(&d);
}
END_TEST

START_TEST(others_may_not_look)
{
    scratch_dir d;
    scratch_open(&d);
    mkdir(scratch_path(&d, "logs"), 0755);
    scratch_write(&d, "logs/log", "abc");
    ds_file_id id = id_of(scratch_path(&d, "logs/log"), 3);
    chmod(scratch_path(&d, "logs"), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    expect(scratch_path(&d, "logs/log"), &id, 0, DS_ERR_IO, "Permission denied");
    ck_assert(ds_folder_is_away(scratch_path(&d, "logs/log"), id.device));
    if (geteuid() != getuid())
        ck_assert_int_eq(seteuid(getuid()), 0);
    chmod(scratch_path(&d, "logs"), 0755);
    expect(scratch_path(&d, "logs/log"), &id, 0, DS_OK, "");
    scratch_close(&d);
}
END_TEST

START_TEST(folders_that_are_away)
{
    scratch_dir d;
    scratch_open(&d);
    mkdir(scratch_path(&d, "logs"), 0755);
    scratch_write(&d, "logs/log", "abc");
    const char *path = scratch_path(&d, "logs/log");
    ds_file_id id = id_of(path, 3), elsewhere = id;
    elsewhere.device++;
    rename(scratch_path(&d, "logs"), scratch_path(&d, "moved"));
    expect(path, &id, 0, DS_ERR_UNAVAILABLE, "its folder is not there");
    expect(path, &id, 4194305, DS_ERR_UNAVAILABLE, "its folder is not there");
    ck_assert(ds_folder_is_away(path, id.device));
    scratch_write(&d, "logs", "a file in its place");
    expect(path, &id, 0, DS_ERR_UNAVAILABLE, "its folder is not there");
    unlink(scratch_path(&d, "logs"));
    mkdir(scratch_path(&d, "logs"), 0755); /* the same device: nothing is mounted there */
    expect(path, &id, 0, DS_ERR_NO_INPUT, "is gone");
    expect(path, &id, 4194305, DS_ERR_NO_INPUT, "is gone");
    ck_assert(!ds_folder_is_away(path, id.device));
    expect(path, &elsewhere, 0, DS_ERR_UNAVAILABLE, "its folder is not there");
    ck_assert(ds_folder_is_away(path, elsewhere.device));
    scratch_write(&d, "logs/.hidden", "");
    ck_assert(ds_folder_is_away(path, elsewhere.device));
    scratch_write(&d, "logs/other", "abc"); /* then it is no mount point without its disk */
    expect(path, &elsewhere, 0, DS_ERR_NO_INPUT, "is gone");
    ck_assert(!ds_folder_is_away(path, elsewhere.device));
    remove(scratch_path(&d, "logs/other"));
    remove(scratch_path(&d, "logs/.hidden"));
    rmdir(scratch_path(&d, "logs"));
    rename(scratch_path(&d, "moved"), scratch_path(&d, "logs"));
    expect(path, &id, 0, DS_OK, "");
    expect(path, &elsewhere, 0, DS_OK, ""); /* another number, as after a boot */
    scratch_close(&d);
}
END_TEST

UNIT_MAIN("followed", heads_are_the_same_other_or_unread, what_cannot_be_read_is_not_gone,
          who_cannot_look_does_not_know, others_may_not_look, folders_that_are_away)
