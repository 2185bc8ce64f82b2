/* Log lines: one event, one line, whatever is in it. */
#include "base/log.h"

#include "unit/unit.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char said[65536];

/* Runs a block with standard error caught in `said`. */
static int saved;
static FILE *catcher;

static void catch_begin(void)
{
    fflush(stderr);
    saved = dup(STDERR_FILENO);
    catcher = tmpfile();
    ck_assert_ptr_nonnull(catcher);
    dup2(fileno(catcher), STDERR_FILENO);
}

static void catch_end(void)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(catcher);
    size_t n = fread(said, 1, sizeof said - 1, catcher);
    said[n] = '\0';
    fclose(catcher);
}

/* The message of the only JSON line. */
static const char *message_of(json_t **line)
{
    ck_assert_uint_eq(strcspn(said, "\n"), strlen(said) - 1);
    json_error_t error;
    *line = json_loads(said, 0, &error);
    ck_assert_msg(*line != NULL, "%s in %s", error.text, said);
    return json_string_value(json_object_get(*line, "message"));
}

START_TEST(levels_have_names)
{
    static const char *const names[] = {"debug", "info", "warn", "error", "off"};
    for (int i = 0; i < 5; i++) {
        ds_log_level level;
        ck_assert(ds_log_level_parse(names[i], &level));
        ck_assert_int_eq((int)level, i);
    }
    ds_log_level level = DS_LOG_WARN;
    ck_assert(!ds_log_level_parse("", &level));
    ck_assert(!ds_log_level_parse("Info", &level));
    ck_assert(!ds_log_level_parse("infos", &level));
    ck_assert_int_eq(level, DS_LOG_WARN);
}
END_TEST

START_TEST(text_lines)
{
    ds_log_setup(DS_LOG_INFO, false, "executor 3");
    catch_begin();
    ds_log_debug("not shown");
    ds_log_info("%d rows", 5);
    catch_end();
    /* 2026-01-01T00:00:00.000Z info  executor 3: 5 rows */
    ck_assert_uint_eq(strlen(said), 24 + strlen(" info  executor 3: 5 rows\n"));
    ck_assert_str_eq(said + 24, " info  executor 3: 5 rows\n");
    ck_assert_int_eq(said[10], 'T');
    ck_assert_int_eq(said[19], '.');
    ck_assert_int_eq(said[23], 'Z');
}
END_TEST

START_TEST(text_lines_escape_what_is_not_text)
{
    ds_log_setup(DS_LOG_DEBUG, false, "driver");
    catch_begin();
    ds_log_error("a\033[31mb\tc\r%s", "\x7f");
    catch_end();
    ck_assert_str_eq(said + 24, " error driver: a\\x1b[31mb\\x09c\\x0d\\x7f\n");
    catch_begin();
    ds_log_warn("first\nsecond\n");
    catch_end();
    ck_assert_str_eq(said + 24, " warn  driver: first\n    second\n");
}
END_TEST

START_TEST(json_lines_are_json)
{
    ds_log_setup(DS_LOG_DEBUG, true, "driver");
    catch_begin();
    ds_log_warn("a \"quote\" \\ and\nmore\t\x01 ä");
    catch_end();
    json_t *line;
    ck_assert_str_eq(message_of(&line), "a \"quote\" \\ and\nmore\t\x01 ä");
    ck_assert_str_eq(json_string_value(json_object_get(line, "level")), "warn");
    ck_assert_str_eq(json_string_value(json_object_get(line, "process")), "driver");
    ck_assert_uint_eq(json_string_length(json_object_get(line, "time")), 24);
    json_decref(line);
}
END_TEST

/* Log lines quote outside bytes (paths, names): the line has to stay JSON. */
START_TEST(json_lines_of_broken_text)
{
    ds_log_setup(DS_LOG_DEBUG, true, "driver");
    catch_begin();
    ds_log_warn("no file \xff\xc3(\xe2\x82");
    catch_end();
    json_t *line;
    ck_assert_str_eq(message_of(&line), "no file \xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd");
    json_decref(line);
}
END_TEST

START_TEST(long_lines_come_whole)
{
    ds_log_setup(DS_LOG_DEBUG, false, "driver");
    char text[20001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    catch_begin();
    ds_log_info("%s", text);
    catch_end();
    ck_assert_uint_eq(strlen(said), 24 + strlen(" info  driver: ") + 20000 + 1);
}
END_TEST

START_TEST(off_says_nothing)
{
    ds_log_setup(DS_LOG_OFF, false, "driver");
    catch_begin();
    ds_log_error("lost");
    catch_end();
    ck_assert_str_eq(said, "");
}
END_TEST

static void erase(void *arg)
{
    fprintf(stderr, "<%s", (const char *)arg);
    fflush(stderr);
}

static void draw(void *arg)
{
    fprintf(stderr, "%s>", (const char *)arg);
    fflush(stderr);
}

START_TEST(the_hook_stands_around_each_line)
{
    ds_log_setup(DS_LOG_INFO, false, "driver");
    ds_log_set_hook(erase, draw, "status");
    catch_begin();
    ds_log_info("one");
    ds_log_debug("not shown");
    catch_end();
    ck_assert_int_eq(strncmp(said, "<status2", 8), 0); /* the year 2... begins */
    ck_assert_str_eq(said + 7 + 24, " info  driver: one\nstatus>");
    ds_log_set_hook(NULL, NULL, NULL);
    catch_begin();
    ds_log_info("two");
    catch_end();
    ck_assert_str_eq(said + 24, " info  driver: two\n");
}
END_TEST

static void *log_as_another(void *arg)
{
    ds_log_name_thread(arg);
    ds_log_info("one");
    ds_log_name_thread(NULL);
    ds_log_info("two");
    return NULL;
}

START_TEST(a_thread_may_have_a_name)
{
    pthread_t thread;
    ds_log_setup(DS_LOG_INFO, false, "driver");
    catch_begin();
    ck_assert_int_eq(pthread_create(&thread, NULL, log_as_another, "executor 7"), 0);
    pthread_join(thread, NULL);
    ds_log_info("three");
    catch_end();
    ck_assert_str_eq(said + 24 + strlen(" info  executor 7: one\n") + 24 +
                         strlen(" info  driver: two\n") + 24,
                     " info  driver: three\n");
    ck_assert_ptr_nonnull(strstr(said, " info  executor 7: one\n"));
    ck_assert_ptr_nonnull(strstr(said, " info  driver: two\n"));
}
END_TEST

UNIT_MAIN("log", a_thread_may_have_a_name, levels_have_names, text_lines,
          text_lines_escape_what_is_not_text, json_lines_are_json, json_lines_of_broken_text,
          long_lines_come_whole, off_says_nothing, the_hook_stands_around_each_line)
