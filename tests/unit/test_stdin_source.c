/* Standard input as a source: pipes, regular files, /dev/null, and none at all. */
#include "inbox.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Each test has descriptor 0 to itself: it runs in a process of its own, or puts it back. */
static int kept;

static void use_as_stdin(int fd)
{
    kept = dup(STDIN_FILENO);
    ck_assert_int_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    close(fd);
}

static void put_stdin_back(void)
{
    dup2(kept, STDIN_FILENO);
    close(kept);
}

static ds_receiver_spec spec_of(uint32_t block_bytes)
{
    return (ds_receiver_spec){.receiver_id = 1,
                              .kind = DS_RECEIVE_STDIN,
                              .name = "lines",
                              .record_limit = 100,
                              .block_bytes = block_bytes};
}

static void start_reading(inbox *in, int64_t credit, uint32_t block_bytes)
{
    inbox_open(in, credit);
    ds_receiver_spec spec = spec_of(block_bytes);
    ds_receivers_add(in->receivers, &spec);
}

/* Opens a pipe, the reading end of which is descriptor 0; returns the other. */
static int use_pipe(void)
{
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    use_as_stdin(ends[0]);
    return ends[1];
}

static void write_text(int fd, const char *text)
{
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

START_TEST(a_pipe_to_its_end)
{
    inbox in;
    int to = use_pipe();
    start_reading(&in, 1 << 20, 4096);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_RUNNING] == 1);
    write_text(to, "a\nb\n");
    INBOX_WAIT(&in, in.of[1].asked == 1);
    inbox_cut(&in, 1); /* it does not wait within a read */
    inbox_assert_bytes(&in, 1, "a\nb\n");
    write_text(to, "c\nd");
    close(to);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_ENDED] == 1);
    inbox_assert_bytes(&in, 1, "a\nb\nc\nd\n");
    inbox_assert_events(&in, "B1 T1 B1 E1 ");
    inbox_assert_last(&in, 1, DS_OK, "the end of standard input");
    ck_assert_uint_eq(in.of[1].cut_short, 0);
    ck_assert_int_eq(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK, 0);
    inbox_close(&in);
    ck_assert_int_ne(fcntl(STDIN_FILENO, F_GETFD), -1); /* not closed */
    put_stdin_back();
}
END_TEST

START_TEST(a_stop_while_the_pipe_is_silent)
{
    inbox in;
    int to = use_pipe();
    start_reading(&in, 1 << 20, 4096);
    write_text(to, "half");
    INBOX_WAIT(&in, in.of[1].asked == 1);
    inbox_stop(&in, 1);
    inbox_assert_bytes(&in, 1, "half\n");
    inbox_assert_last(&in, 1, DS_OK, "stopped");
    close(to);
    inbox_close(&in);
    put_stdin_back();
}
END_TEST

#define LINES 100000

START_TEST(a_file_waits_for_credit)
{
    inbox in;
    int file = memfd_create("lines", MFD_CLOEXEC);
    ds_buffer text = {0};
    for (int i = 0; i < LINES; i++)
        ds_buffer_printf(&text, "line %d\n", i);
    ck_assert_int_eq(write(file, text.data, text.length), (ssize_t)text.length);
    ck_assert_int_eq(lseek(file, 0, SEEK_SET), 0);
    use_as_stdin(file);
    start_reading(&in, 100000, 50000);
    INBOX_WAIT(&in, in.of[1].refused == 1);
    inbox_cut(&in, 1);
    inbox_cut(&in, 2);
    ck_assert_uint_eq(in.of[1].refused, 1); /* it does not try again and again */
    ck_assert_uint_le(in.of[1].bytes.length, 100000);
    ck_assert_uint_gt(in.of[1].records, 0);
    inbox_credit(&in, (int64_t)text.length);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_ENDED] == 1);
    ck_assert_uint_eq(in.of[1].records, LINES);
    ck_assert_uint_eq(in.of[1].bytes.length, text.length);
    ck_assert_mem_eq(in.of[1].bytes.data, text.data, text.length);
    ds_buffer_fini(&text);
    inbox_close(&in);
    put_stdin_back();
}
END_TEST

START_TEST(nothing_at_all)
{
    inbox in;
    use_as_stdin(open("/dev/null", O_RDONLY | O_CLOEXEC));
    start_reading(&in, 1 << 20, 4096);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_ENDED] == 1);
    ck_assert_uint_eq(in.of[1].blocks, 0);
    inbox_close(&in);
    put_stdin_back();
}
END_TEST

START_TEST(a_folder_cannot_be_read)
{
    inbox in;
    use_as_stdin(open("/", O_RDONLY | O_CLOEXEC));
    start_reading(&in, 1 << 20, 4096);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_FAILED] == 1);
    inbox_assert_last(&in, 1, DS_ERR_IO, "cannot read standard input: Is a directory");
    inbox_close(&in);
    put_stdin_back();
}
END_TEST

START_TEST(a_closed_descriptor)
{
    inbox in;
    inbox_open(&in, 1 << 20);
    kept = dup(STDIN_FILENO);
    close(STDIN_FILENO);
    ds_receiver_spec spec = spec_of(4096);
    ds_receivers_add(in.receivers, &spec);
    INBOX_WAIT(&in, in.of[1].said[DS_RECEIVER_FAILED] == 1);
    inbox_assert_last(&in, 1, DS_ERR_NO_INPUT, "standard input is not open");
    inbox_close(&in);
    put_stdin_back();
}
END_TEST

UNIT_MAIN("stdin_source", a_pipe_to_its_end, a_stop_while_the_pipe_is_silent,
          a_file_waits_for_credit, nothing_at_all, a_folder_cannot_be_read, a_closed_descriptor)
