/* state and snapshot: from rows to results over map and reduce tasks, batch after batch. */
#include "unit/engine.h"

#define BIG "9223372036854775807"
#define SCHEMA "'k': 'string', 'n': 'int', 'x': 'float', 's': 'string', 'b': 'bool'"

static void open_lists(engine *e, const char *batches, const char *streams, const char *tested)
{
    char *source = NULL;
    ck_assert_int_gt(
        asprintf(&source, "'in': { 'type': 'queue', 'schema': { " SCHEMA " }, 'batches': [ %s ] }",
                 batches),
        0);
    engine_open(e, source, streams, tested);
    free(source);
}

/* ---- set ---- */

START_TEST(counts_by_key)
{
    engine e;
    open_lists(&e,
               "[ { 'k': 'a' }, { 'k': 'b' }, { 'k': 'a' }, { 'k': null } ], [], [ { 'k': 'b' } ],"
               "[ { 'k': 'c' }, { 'k': null }, { 'k': 'a' } ]",
               "'t': { 'from': 'in', 'state': { 'key': ['k'],"
               "       'set': { 'n': 'coalesce(state.n, 0) + count()' } } }",
               "t");
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'k': 'a', 'n': 2 }, { 'k': 'b', 'n': 1 }, { 'k': null, 'n': 1 } ]");
    engine_batch(&e);
    engine_rows(&e, "t", "[]");
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'k': 'b', 'n': 2 } ]");
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'k': 'a', 'n': 3 }, { 'k': 'c', 'n': 1 }, { 'k': null, 'n': 2 } ]");
    engine_close(&e);
}
END_TEST

/* state.x is the old value, wherever it stands; keys, times and functions are at hand. */
START_TEST(the_old_state_is_always_the_old_one)
{
    engine e;
    open_lists(&e, "[ { 'k': 'a', 'n': 5 } ], [ { 'k': 'a', 'n': 7 } ], [ { 'k': 'a' } ]",
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'set': {"
               "       'now': 'sum(n)', 'before': 'state.now', 'twice': 'state.before',"
               "       'key': 'k || `!`', 'at': 'batch_time()', 'first': 'coalesce(state.first, "
               "batch_time())' } } }",
               "t");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 'now': 5, 'before': null, 'twice': null, 'key': 'a!',"
                "    'at': '1970-01-01T00:00:01Z', 'first': '1970-01-01T00:00:01Z' } ]");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 'now': 7, 'before': 5, 'twice': null, 'key': 'a!',"
                "    'at': '1970-01-01T00:00:02Z', 'first': '1970-01-01T00:00:01Z' } ]");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 'now': null, 'before': 7, 'twice': 5, 'key': 'a!',"
                "    'at': '1970-01-01T00:00:03Z', 'first': '1970-01-01T00:00:01Z' } ]");
    engine_close(&e);
}
END_TEST

/* Every type is kept, long text and lists, too; aggregates may have filters. */
START_TEST(values_of_every_type)
{
    engine e;
    open_lists(&e,
               "[ { 'k': 'a', 'n': 1, 'x': 0.5, 's': 'short', 'b': true },"
               "  { 'k': 'a', 'n': 2, 's': 'a text that does not fit a view', 'b': false } ],"
               "[ { 'k': 'a', 'n': 3, 's': null } ], [ { 'k': 'a', 's': '' } ]",
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'set': {"
               "  'n': 'coalesce(max(n), state.n)', 'x': 'coalesce(avg(x), state.x)',"
               "  's': 'coalesce(last(s), state.s)', 'b': 'coalesce(bool_or(b), state.b)',"
               "  'at': 'coalesce(state.at, batch_time())',"
               "  'ln': 'coalesce(state.ln || collect_list(n), state.ln, collect_list(n))',"
               "  'ls': 'coalesce(state.ls || collect_list(s), state.ls, collect_list(s))',"
               "  'odd': 'coalesce(state.odd, 0) + count() filter (where n % 2 = 1)' } } }",
               "t");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 'n': 2, 'x': 0.5, 's': 'a text that does not fit a view',"
                "    'b': true, 'at': '1970-01-01T00:00:01Z', 'ln': [ 1, 2 ],"
                "    'ls': [ 'short', 'a text that does not fit a view' ], 'odd': 1 } ]");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 'n': 3, 'x': 0.5, 's': 'a text that does not fit a view',"
                "    'b': true, 'at': '1970-01-01T00:00:01Z', 'ln': [ 1, 2, 3 ],"
                "    'ls': [ 'short', 'a text that does not fit a view' ], 'odd': 2 } ]");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 'n': 3, 'x': 0.5, 's': '', 'b': true,"
                "    'at': '1970-01-01T00:00:01Z', 'ln': [ 1, 2, 3 ],"
                "    'ls': [ 'short', 'a text that does not fit a view', '' ], 'odd': 2 } ]");
    engine_close(&e);
}
END_TEST

START_TEST(keys_of_several_columns)
{
    engine e;
    open_lists(&e,
               "[ { 'k': 'a', 'x': 0.0, 'b': true }, { 'k': 'a', 'x': -0.0, 'b': true },"
               "  { 'k': 'a', 'x': null, 'b': true }, { 'k': 'a', 'b': null } ],"
               "[ { 'k': 'a', 'x': -0.0, 'b': true }, { 'k': null }, { 'k': 'a', 'b': null } ]",
               "'t': { 'from': 'in', 'state': { 'key': ['b', 'x', 'k'],"
               "       'set': { 'n': 'coalesce(state.n, 0) + count()' } } }",
               "t");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'b': true, 'x': 0.0, 'k': 'a', 'n': 2 }, { 'b': true, 'x': null, 'k': 'a', "
                "'n': 1 }, { 'b': null, 'x': null, 'k': 'a', 'n': 1 } ]");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'b': true, 'x': 0.0, 'k': 'a', 'n': 3 }, { 'b': null, 'x': null, 'k': 'a', "
                "'n': 2 }, { 'b': null, 'x': null, 'k': null, 'n': 1 } ]");
    engine_close(&e);
}
END_TEST

/* Clauses before state work row by row, those behind it on what it emits. */
START_TEST(clauses_around_it)
{
    engine e;
    open_lists(&e, "[ { 's': 'b a b' }, { 's': 'c' }, { 's': 'b', 'n': 1 } ], [ { 's': 'a d e' } ]",
               "'t': { 'from': 'in', 'flat_map': { 'w': 'split(s)' }, 'where': 'n is null',"
               "       'select': { 'word': 'upper(w)' }, 'state': { 'key': ['word'],"
               "       'set': { 'n': 'coalesce(state.n, 0) + count()' } },"
               "       'having': 'word != `D`', 'order_by': 'n desc, word', 'limit': 2 },"
               "'g': { 'from': 't', 'aggregate': { 's': 'sum(n)' } }",
               "t g");
    engine_batch(&e);
    engine_in_order(&e, "t", "[ { 'word': 'B', 'n': 2 }, { 'word': 'A', 'n': 1 } ]");
    engine_rows(&e, "g", "[ { 's': 3 } ]");
    engine_batch(&e);
    engine_in_order(&e, "t", "[ { 'word': 'A', 'n': 2 }, { 'word': 'E', 'n': 1 } ]");
    engine_close(&e);
}
END_TEST

/* ---- remove_when ---- */

START_TEST(forgets_keys)
{
    engine e;
    open_lists(&e,
               "[ { 'k': 'a', 'n': 1 }, { 'k': 'b', 'n': 0 }, { 'k': 'c', 'n': 3 } ],"
               "[ { 'k': 'a', 'n': -1 }, { 'k': 'c', 'n': 1 }, { 'k': 'd' } ],"
               "[ { 'k': 'a', 'n': 5 }, { 'k': 'b', 'n': 2 }, { 'k': 'd', 'n': 0 } ]",
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'remove_when': 'n = 0',"
               "       'set': { 'n': 'coalesce(state.n, 0) + sum(n)',"
               "                'new': 'state.n is null' } } },"
               "'all': { 'from': 't', 'snapshot': true }",
               "t all");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 'n': 1, 'new': true }, { 'k': 'c', 'n': 3, 'new': true } ]");
    engine_rows(&e, "all", "[ { 'k': 'a' }, { 'k': 'c' } ]");
    engine_batch(&e);
    /* Of d the condition is null: it stays. */
    engine_rows(&e, "t",
                "[ { 'k': 'c', 'n': 4, 'new': false }, { 'k': 'd', 'n': null, 'new': true } ]");
    engine_rows(&e, "all", "[ { 'k': 'c' }, { 'k': 'd' } ]");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 'n': 5, 'new': true }, { 'k': 'b', 'n': 2, 'new': true } ]");
    engine_rows(&e, "all", "[ { 'k': 'a' }, { 'k': 'b' }, { 'k': 'c' } ]");
    engine_close(&e);
}
END_TEST

START_TEST(forgets_every_key)
{
    engine e;
    open_lists(&e, "[ { 'k': 'a' }, { 'k': 'b' } ], [ { 'k': 'a' } ]",
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'remove_when': 'true',"
               "       'set': { 'n': 'coalesce(state.n, 0) + count()' } } },"
               "'u': { 'from': 'in', 'state': { 'key': ['k'], 'remove_when': 'null',"
               "       'set': { 'n': 'coalesce(state.n, 0) + count()' } } },"
               "'all': { 'from': 't', 'snapshot': true }",
               "t u all");
    engine_batches(&e, 2);
    engine_rows(&e, "t", "[]");
    engine_rows(&e, "u", "[ { 'k': 'a', 'n': 2 } ]");
    engine_rows(&e, "all", "[]");
    engine_close(&e);
}
END_TEST

/* ---- time-outs ---- */

/* The first batch that is later than the last row and the time-out; rows come first. */
START_TEST(times_out_exactly)
{
    engine e;
    open_lists(&e,
               "[ { 'k': 'a' }, { 'k': 'b' } ], [ { 'k': 'c' } ], [], [ { 'k': 'b' } ], [], [], []",
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'timeout': '2s',"
               "       'set': { 'n': 'coalesce(state.n, 0) + count()', 'out': 'timed_out()' } } }",
               "t");
    engine_batches(&e, 3);
    engine_rows(&e, "t", "[]"); /* 3 s is not later than 1 s + 2 s */
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 'n': 1, 'out': true }, { 'k': 'b', 'n': 2, 'out': false } ]");
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'k': 'c', 'n': 1, 'out': true } ]");
    engine_batch(&e);
    engine_rows(&e, "t", "[]");
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'k': 'b', 'n': 2, 'out': true } ]");
    engine_batch(&e);
    engine_rows(&e, "t", "[]");
    engine_close(&e);
}
END_TEST

START_TEST(a_key_that_timed_out_begins_anew)
{
    engine e;
    open_lists(&e, "[ { 'k': 'a' } ], [], [], [ { 'k': 'a' } ], [ { 'k': 'a' } ]",
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'timeout': '1s',"
               "       'set': { 'n': 'coalesce(state.n, 0) + count()' } },"
               "       'having': 'timed_out() or n > 1' },"
               "'h': { 'from': 't', 'where': 'n > 0' }",
               "t h");
    engine_batch(&e);
    engine_rows(&e, "t", "[]");
    engine_batches(&e, 2);
    engine_rows(&e, "t", "[ { 'k': 'a', 'n': 1 } ]");
    engine_rows(&e, "h", "[ { 'k': 'a', 'n': 1 } ]");
    engine_batch(&e);
    engine_rows(&e, "t", "[]");
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'k': 'a', 'n': 2 } ]");
    engine_close(&e);
}
END_TEST

/* Aggregates of a key that times out are those of no rows; remove_when goes first. */
START_TEST(set_runs_on_no_rows)
{
    engine e;
    open_lists(&e, "[ { 'k': 'a', 'n': 4, 's': 'x' }, { 'k': 'b', 'n': 5 } ], [ ], [ ]",
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'timeout': '1s',"
               "       'remove_when': 'c = 0 and old = 5', 'set': {"
               "       'c': 'count()', 'd': 'count_distinct(n)', 'm': 'max(n)',"
               "       'l': 'collect_list(s)', 'f': 'count() filter (where n > 1)',"
               "       'old': 'coalesce(sum(n), state.old)' } } }",
               "t");
    engine_batches(&e, 3);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 'c': 0, 'd': 0, 'm': null, 'l': null, 'f': 0, 'old': 4 } ]");
    engine_batch(&e);
    engine_rows(&e, "t", "[]");
    engine_close(&e);
}
END_TEST

/* ---- emit ---- */

START_TEST(all_live_keys_in_every_batch)
{
    engine e;
    open_lists(
        &e, "[ { 'k': 'a', 'n': 3 }, { 'k': 'b', 'n': 9 } ], [], [ { 'k': 'c', 'n': 2 } ], [], []",
        "'t': { 'from': 'in', 'state': { 'key': ['k'], 'emit': 'all', 'timeout': '3s',"
        "       'remove_when': 'left = 0', 'set': {"
        "       'left': 'coalesce(sum(n), state.left - 1)', 'rows': 'count()',"
        "       'out': 'timed_out()' } } }",
        "t");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 'left': 3, 'rows': 1, 'out': false },"
                "  { 'k': 'b', 'left': 9, 'rows': 1, 'out': false } ]");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 'left': 2, 'rows': 0, 'out': false },"
                "  { 'k': 'b', 'left': 8, 'rows': 0, 'out': false } ]");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 'left': 1 }, { 'k': 'b', 'left': 7 }, { 'k': 'c', 'left': 2 } ]");
    engine_batch(&e); /* a is removed */
    engine_rows(&e, "t", "[ { 'k': 'b', 'left': 6 }, { 'k': 'c', 'left': 1 } ]");
    engine_batch(&e); /* b times out, which is no row; c is removed */
    engine_rows(&e, "t", "[]");
    engine_close(&e);
}
END_TEST

/* ---- initial ---- */

START_TEST(initial_rows)
{
    engine e;
    open_lists(&e, "[ { 'k': 'a' } ], [ { 'k': 'd' } ], [], []",
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'timeout': '2s',"
               "       'set': { 'n': 'coalesce(state.n, 0) + count()',"
               "                's': 'coalesce(state.s, `none`)' },"
               "       'initial': [ { 'k': 'a', 'n': 10, 's': 'a text that is kept by the state' },"
               "                    { 'k': 'b', 'n': 20 }, { 'k': 'c' }, { 'n': 30 } ] } },"
               "'all': { 'from': 't', 'snapshot': true, 'select': { 'k': 'k', 'n': 'n' } },"
               "'e': { 'from': 'in', 'state': { 'key': ['k'], 'emit': 'all',"
               "       'set': { 'n': 'coalesce(state.n, 0) + count()' },"
               "       'initial': [ { 'k': 'z', 'n': 5 } ] } }",
               "t all e");
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'k': 'a', 'n': 11, 's': 'a text that is kept by the state' } ]");
    engine_rows(&e, "all",
                "[ { 'k': 'a', 'n': 11 }, { 'k': 'b', 'n': 20 }, { 'k': 'c', 'n': null },"
                "  { 'k': null, 'n': 30 } ]");
    engine_rows(&e, "e", "[ { 'k': 'a', 'n': 1 }, { 'k': 'z', 'n': 5 } ]");
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'k': 'd', 'n': 1, 's': 'none' } ]");
    engine_batch(&e); /* zero + 2 s is past */
    engine_rows(&e, "t",
                "[ { 'k': 'b', 'n': 20, 's': 'none' }, { 'k': 'c', 'n': 0, 's': 'none' },"
                "  { 'k': null, 'n': 30, 's': 'none' } ]");
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'k': 'a', 'n': 11, 's': 'a text that is kept by the state' } ]");
    engine_rows(&e, "all", "[ { 'k': 'd', 'n': 1 } ]");
    engine_close(&e);
}
END_TEST

/* More than a chunk of them, each in one partition. */
START_TEST(many_initial_rows)
{
    ds_buffer streams = {0};
    ds_buffer_append_text(&streams,
                          "'t': { 'from': 'in', 'state': { 'key': ['n'],"
                          "       'set': { 'v': 'coalesce(state.v, 0) + count()' }, 'initial': [");
    for (int i = 0; i < 5000; i++)
        ds_buffer_printf(&streams, "%s { 'n': %d, 'v': %d }", i > 0 ? "," : "", i, 3 * i);
    ds_buffer_append_text(&streams, " ] } }, 'all': { 'from': 't', 'snapshot': true,"
                                    "'aggregate': { 'c': 'count()', 's': 'sum(v)' } }");
    engine e;
    open_lists(&e, "[ { 'n': 1 }, { 'n': -1 } ]", ds_buffer_text(&streams), "t all");
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'n': 1, 'v': 4 }, { 'n': -1, 'v': 1 } ]");
    engine_rows(&e, "all", "[ { 'c': 5001, 's': 37492502 } ]");
    engine_close(&e);
    ds_buffer_fini(&streams);
}
END_TEST

/* ---- snapshot ---- */

/* Nobody reads the state's own stream; what stands behind the state in it does not count. */
START_TEST(snapshots_of_what_nobody_reads)
{
    engine e;
    open_lists(
        &e, "[ { 'k': 'a' }, { 'k': 'b' } ], [ { 'k': 'a' } ], []",
        "'t': { 'from': 'in', 'state': { 'key': ['k'],"
        "       'set': { 'n': 'coalesce(state.n, 0) + count()' } },"
        "       'having': 'n > 100', 'order_by': 'n', 'limit': 0 },"
        "'s': { 'from': 't', 'snapshot': true },"
        "'top': { 'from': 't', 'snapshot': true, 'where': 'n > 0', 'select': { 'm': 'n * 10' "
        "}, 'order_by': 'm desc', 'limit': 1 },"
        "'again': { 'from': 't', 'snapshot': true, 'state': { 'key': ['k'],"
        "           'set': { 'sum': 'coalesce(state.sum, 0) + sum(n)' } } },"
        "'w': { 'from': 't', 'snapshot': true, 'window': '2s',"
        "       'aggregate': { 'c': 'count()' } },"
        "'u': { 'from': ['s', 's'] }",
        "s top again w u");
    engine_batch(&e);
    engine_rows(&e, "s", "[ { 'k': 'a', 'n': 1 }, { 'k': 'b', 'n': 1 } ]");
    engine_batch(&e);
    engine_rows(&e, "s", "[ { 'k': 'a', 'n': 2 }, { 'k': 'b', 'n': 1 } ]");
    engine_rows(&e, "top", "[ { 'm': 20 } ]");
    engine_rows(&e, "again", "[ { 'k': 'a', 'sum': 3 }, { 'k': 'b', 'sum': 2 } ]");
    engine_rows(&e, "w", "[ { 'c': 4 } ]");
    engine_batch(&e);
    engine_rows(&e, "s", "[ { 'k': 'a', 'n': 2 }, { 'k': 'b', 'n': 1 } ]");
    engine_rows(&e, "again", "[ { 'k': 'a', 'sum': 5 }, { 'k': 'b', 'sum': 3 } ]");
    engine_rows(&e, "u",
                "[ { 'k': 'a', 'n': 2 }, { 'k': 'b', 'n': 1 },"
                "  { 'k': 'a', 'n': 2 }, { 'k': 'b', 'n': 1 } ]");
    engine_close(&e);
}
END_TEST

/* What times out is not in the snapshot of that batch. */
START_TEST(snapshots_are_of_the_time_after_the_batch)
{
    engine e;
    open_lists(&e, "[ { 'k': 'a' } ], [ { 'k': 'b' } ], []",
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'timeout': '1s',"
               "       'set': { 'n': 'count()' } } },"
               "'s': { 'from': 't', 'snapshot': true }",
               "t s");
    engine_batches(&e, 3);
    engine_rows(&e, "t", "[ { 'k': 'a', 'n': 0 } ]");
    engine_rows(&e, "s", "[ { 'k': 'b', 'n': 1 } ]");
    engine_batch(&e);
    engine_rows(&e, "s", "[]");
    engine_close(&e);
}
END_TEST

/* ---- overflows ---- */

START_TEST(what_overflows_is_null)
{
    engine e;
    open_lists(&e,
               "[ { 'k': 'a', 'n': " BIG " }, { 'k': 'b', 'n': 4 } ],"
               "[ { 'k': 'a', 'n': 1 }, { 'k': 'b', 'n': 5 } ], [ { 'k': 'a', 'n': 2 } ]",
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'set': {"
               "       's': 'coalesce(state.s, 0) + sum(n)', 'p': 'sum(n * 3)',"
               "       'c': 'coalesce(state.c, 0) + count()' } } }",
               "t");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'k': 'a', 's': " BIG ", 'p': null, 'c': 1 }, { 'k': 'b', 's': 4, 'p': 12, "
                "'c': 1 } ]");
    ck_assert_uint_eq(e.sum.overflow_values, 1);
    engine_batch(&e);
    engine_rows(
        &e, "t",
        "[ { 'k': 'a', 's': null, 'p': 3, 'c': 2 }, { 'k': 'b', 's': 9, 'p': 15, 'c': 2 } ]");
    ck_assert_uint_eq(e.sum.overflow_values, 1);
    engine_batch(&e); /* a null begins anew */
    engine_rows(&e, "t", "[ { 'k': 'a', 's': 2, 'p': 6, 'c': 3 } ]");
    ck_assert_uint_eq(e.sum.overflow_values, 0);
    engine_close(&e);
}
END_TEST

START_TEST(a_condition_that_overflows_is_null)
{
    engine e;
    open_lists(&e, "[ { 'k': 'a', 'n': " BIG " }, { 'k': 'b', 'n': 4 } ]",
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'remove_when': 's + 1 > 0',"
               "       'set': { 's': 'sum(n)' } } }",
               "t");
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'k': 'a', 's': " BIG " } ]");
    ck_assert_uint_eq(e.sum.overflow_values, 1);
    engine_close(&e);
}
END_TEST

/* ---- times ---- */

/* Of a parent with a slide: due when it is, and time-outs are those of these times. */
START_TEST(of_a_parent_with_a_slide)
{
    engine e;
    open_lists(&e, "[ { 'k': 'a' } ], [], [ { 'k': 'b' } ], [], [], [], [], [], []",
               "'w': { 'from': 'in', 'window': '2s', 'group_by': ['k'],"
               "       'aggregate': { 'n': 'count()' } },"
               "'t': { 'from': 'w', 'state': { 'key': ['k'], 'timeout': '3s',"
               "       'set': { 'n': 'coalesce(state.n, 0) + coalesce(sum(n), 0)',"
               "                'out': 'timed_out()' } } }",
               "t");
    engine_batch(&e);
    ck_assert_uint_eq(engine_count_rows(&e, "t"), 0);
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'k': 'a', 'n': 1, 'out': false } ]");
    engine_batch(&e);
    ck_assert_uint_eq(engine_count_rows(&e, "t"), 0);
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'k': 'b', 'n': 1, 'out': false } ]");
    engine_batch(&e);
    ck_assert_uint_eq(engine_count_rows(&e, "t"), 0);
    engine_batch(&e); /* 2 s + 3 s was past at 5 s, and 6 s is the first due time after it */
    engine_rows(&e, "t", "[ { 'k': 'a', 'n': 1, 'out': true } ]");
    engine_batches(&e, 2);
    engine_rows(&e, "t", "[ { 'k': 'b', 'n': 1, 'out': true } ]");
    engine_close(&e);
}
END_TEST

/* A window behind it that leaves gaps reads some of its batches; it goes on in all of them. */
START_TEST(a_state_goes_on_when_nobody_reads)
{
    engine e;
    open_lists(&e, "[ { 'k': 'a' } ], [ { 'k': 'b' } ], [ { 'k': 'b' } ], [], [], [ { 'k': 'a' } ]",
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'timeout': '2s',"
               "       'set': { 'n': 'coalesce(state.n, 0) + count()', 'out': 'timed_out()' } } },"
               "'w': { 'from': 't', 'window': { 'size': '1s', 'slide': '3s' } }",
               "w");
    engine_batches(&e, 3);
    engine_rows(&e, "w", "[ { 'k': 'b', 'n': 2, 'out': false } ]");
    engine_batches(&e, 3); /* at 4 s the first a timed out */
    engine_rows(&e, "w",
                "[ { 'k': 'a', 'n': 1, 'out': false }, { 'k': 'b', 'n': 2, 'out': true } ]");
    engine_close(&e);
}
END_TEST

static uint32_t tasks_of(engine *e, const char *stream)
{
    return e->batch->stages[plan_stage(e->plan, stream, DS_NODE_STATE)->id].n_tasks;
}

/* Without input there is something to do only where time passes, or all keys are wanted. */
START_TEST(nothing_to_do)
{
    engine e;
    open_lists(&e, "[ { 'k': 'a' } ], []",
               "'c': { 'from': 'in', 'state': { 'key': ['k'], 'set': { 'n': 'count()' } } },"
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'set': { 'n': 'count()' },"
               "       'timeout': '1h' } },"
               "'a': { 'from': 'in', 'state': { 'key': ['k'], 'set': { 'n': 'count()' },"
               "       'emit': 'all' } },"
               "'p': { 'from': 'in', 'state': { 'key': ['k'], 'set': { 'n': 'count()' } } },"
               "'s': { 'from': 'p', 'snapshot': true }",
               "c t a s");
    engine_batch(&e);
    ck_assert_uint_eq(tasks_of(&e, "c"), 3);
    engine_batch(&e);
    ck_assert_uint_eq(tasks_of(&e, "c"), 0);
    ck_assert_uint_eq(tasks_of(&e, "t"), 3);
    ck_assert_uint_eq(tasks_of(&e, "a"), 3);
    ck_assert_uint_eq(tasks_of(&e, "p"), 3);
    engine_close(&e);
}
END_TEST

/* ---- many keys ---- */

START_TEST(many_keys)
{
    engine e;
    engine_open(&e, "'in': { 'type': 'rate', 'rows_per_second': 1 }",
                "'t': { 'from': 'in', 'select': { 'k': 'value % 50000', 'v': 'value' },"
                "       'state': { 'key': ['k'], 'timeout': '1s', 'set': {"
                "       'n': 'coalesce(state.n, 0) + count()',"
                "       's': 'coalesce(max(lpad(cast(v as string), 40, `x`)), state.s)',"
                "       'out': 'timed_out()' } } },"
                "'c': { 'from': 't', 'group_by': ['out'], 'aggregate': { 'c': 'count()',"
                "       'n': 'sum(n)', 'last': 'max(s)' } },"
                "'s': { 'from': 't', 'snapshot': true, 'aggregate': { 'c': 'count()',"
                "       'n': 'sum(n)', 'd': 'count_distinct(s)' } }",
                "c s");
    engine_feed_rate(&e, "in", 0, 100000);
    engine_batch(&e);
    engine_rows(&e, "c", "[ { 'out': false, 'c': 50000, 'n': 100000 } ]");
    engine_rows(&e, "s", "[ { 'c': 50000, 'n': 100000, 'd': 50000 } ]");
    engine_feed_rate(&e, "in", 100000, 110000);
    engine_batch(&e);
    engine_rows(&e, "c", "[ { 'out': false, 'c': 10000, 'n': 30000 } ]");
    engine_rows(&e, "s", "[ { 'c': 50000, 'n': 110000, 'd': 50000 } ]");
    engine_batch(&e);
    engine_rows(&e, "c", "[ { 'out': true, 'c': 40000, 'n': 80000 } ]");
    engine_rows(&e, "s", "[ { 'c': 10000, 'n': 30000, 'd': 10000 } ]");
    engine_batches(&e, 2);
    engine_rows(&e, "s", "[ { 'c': 0, 'n': null, 'd': 0 } ]");
    engine_close(&e);
}
END_TEST

/* Rows of one task come without a table in between, those of several with one. */
START_TEST(one_piece_is_as_good_as_several)
{
    for (uint64_t step = 5000; step <= 15000; step += 10000) {
        engine e;
        engine_open(&e, "'in': { 'type': 'rate', 'rows_per_second': 1 }",
                    "'t': { 'from': 'in', 'select': { 'k': 'value % 5000', 'v': 'value' },"
                    "       'state': { 'key': ['k'], 'set': {"
                    "       'n': 'coalesce(state.n, 0) + count()', 'sum': 'sum(v)',"
                    "       's': 'max(lpad(cast(v as string), 40, `x`))',"
                    "       'all': 'size(collect_list(v))', 'too': 'sum(v + " BIG " - 4999)' },"
                    "       'remove_when': 'k = 7' } },"
                    "'c': { 'from': 't', 'aggregate': { 'c': 'count()', 'n': 'sum(n)',"
                    "       'sum': 'sum(sum)', 's': 'min(s)', 'd': 'count_distinct(s)',"
                    "       'all': 'sum(all)', 'too': 'count(too)' } }",
                    "c");
        for (uint64_t batch = 0; batch < 2; batch++) {
            for (uint64_t from = 0; from < 15000; from += step)
                engine_feed_rate(&e, "in", from, from + step);
            engine_batch(&e);
            engine_rows(&e, "c",
                        batch == 0 ? "[ { 'c': 4999, 'n': 14997, 'sum': 112477479,"
                                     "    's': 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx6000',"
                                     "    'd': 4999, 'all': 14997, 'too': 0 } ]"
                                   : "[ { 'c': 4999, 'n': 29994, 'sum': 112477479,"
                                     "    's': 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx6000',"
                                     "    'd': 4999, 'all': 14997, 'too': 0 } ]");
        }
        engine_close(&e);
    }
}
END_TEST

/* ---- with other roots in its stage ---- */

/* State, its snapshot and a group keyed alike join where they are. */
START_TEST(joins_where_it_is)
{
    engine e;
    open_lists(&e,
               "[ { 'k': 'a', 'n': 1 }, { 'k': 'b', 'n': 2 } ], [ { 'k': 'b', 'n': 3 } ], [],"
               "[ { 'k': 'c', 'n': 4 } ]",
               "'t': { 'from': 'in', 'state': { 'key': ['k'], 'timeout': '2s',"
               "       'set': { 'c': 'coalesce(state.c, 0) + count()', 'x': 'timed_out()' } } },"
               "'g': { 'from': 'in', 'group_by': ['k'], 'aggregate': { 's': 'sum(n)' } },"
               "'all': { 'from': 't', 'snapshot': true },"
               "'j': { 'from': 't', 'join': { 'with': 'g', 'on': ['k'], 'type': 'full' } },"
               "'i': { 'from': 'all', 'join': { 'with': 'g', 'on': ['k'], 'type': 'left' },"
               "       'select': { 'k': 'k', 'c': 'c', 's': 's' } }",
               "j i");
    const ds_node *state = plan_node(e.plan, "t", DS_NODE_STATE);
    ck_assert_uint_eq(state->stage, plan_node(e.plan, "g", DS_NODE_GROUP)->stage);
    engine_batch(&e);
    engine_rows(&e, "j",
                "[ { 'k': 'a', 'c': 1, 'x': false, 's': 1 }, { 'k': 'b', 'c': 1, 'x': false, "
                "'s': 2 } ]");
    engine_batch(&e);
    engine_rows(&e, "j", "[ { 'k': 'b', 'c': 2, 'x': false, 's': 3 } ]");
    engine_rows(&e, "i", "[ { 'k': 'a', 'c': 1, 's': null }, { 'k': 'b', 'c': 2, 's': 3 } ]");
    engine_batch(&e);
    engine_rows(&e, "j", "[]");
    engine_rows(&e, "i", "[ { 'k': 'a', 'c': 1, 's': null }, { 'k': 'b', 'c': 2, 's': null } ]");
    engine_batch(&e);
    engine_rows(&e, "j",
                "[ { 'k': 'a', 'c': 1, 'x': true, 's': null },"
                "  { 'k': 'c', 'c': 1, 'x': false, 's': 4 } ]");
    engine_rows(&e, "i", "[ { 'k': 'b', 'c': 2, 's': null }, { 'k': 'c', 'c': 1, 's': 4 } ]");
    engine_close(&e);
}
END_TEST

/* Two states and a window in one stage: each of them applies its batch once. */
START_TEST(several_that_keep_something)
{
    engine e;
    open_lists(&e, "[ { 'k': 'a' }, { 'k': 'b' } ], [ { 'k': 'a' } ], [ { 'k': 'b' } ]",
               "'t': { 'from': 'in', 'state': { 'key': ['k'],"
               "       'set': { 'c': 'coalesce(state.c, 0) + count()' } } },"
               "'u': { 'from': 'in', 'state': { 'key': ['k'], 'emit': 'all',"
               "       'set': { 'd': 'coalesce(state.d, 0) + 1' } } },"
               "'w': { 'from': 'in', 'window': { 'size': '2s', 'slide': '1s' },"
               "       'group_by': ['k'], 'aggregate': { 'w': 'count()' } },"
               "'j': { 'from': 'u', 'join': { 'with': 't', 'on': ['k'], 'type': 'left' } },"
               "'l': { 'from': 'j', 'join': { 'with': 'w', 'on': ['k'], 'type': 'left' } }",
               "l");
    engine_batches(&e, 2);
    engine_rows(
        &e, "l",
        "[ { 'k': 'a', 'd': 2, 'c': 2, 'w': 2 }, { 'k': 'b', 'd': 2, 'c': null, 'w': 1 } ]");
    engine_batch(&e);
    engine_rows(
        &e, "l",
        "[ { 'k': 'a', 'd': 3, 'c': null, 'w': 1 }, { 'k': 'b', 'd': 3, 'c': 2, 'w': 1 } ]");
    engine_close(&e);
}
END_TEST

/* ---- loss ---- */

START_TEST(state_that_is_lost_begins_anew)
{
    engine e;
    open_lists(&e, "[ { 'k': 'a' } ], [ { 'k': 'a' } ], [ { 'k': 'a' } ], [ { 'k': 'a' } ]",
               "'t': { 'from': 'in', 'state': { 'key': ['k'],"
               "       'set': { 'n': 'coalesce(state.n, 0) + count()' } } }",
               "t");
    engine_batches(&e, 2);
    engine_rows(&e, "t", "[ { 'k': 'a', 'n': 2 } ]");
    engine_lose_panes(&e);
    const ds_stage *stage = plan_stage(e.plan, "t", DS_NODE_STATE);
    ck_assert(stage->keyed);
    ck_assert_int_eq(engine_try(&e), DS_ERR_LOST);
    for (uint32_t p = 0; p < stage->n_partitions; p++)
        e.keyed_ms[stage->id][p] = DS_NO_BATCH; /* what the driver decides then */
    engine_batch(&e);
    engine_rows(&e, "t", "[ { 'k': 'a', 'n': 1 } ]");
    engine_close(&e);
}
END_TEST

UNIT_MAIN("op_state", counts_by_key, the_old_state_is_always_the_old_one, values_of_every_type,
          keys_of_several_columns, clauses_around_it, forgets_keys, forgets_every_key,
          times_out_exactly, a_key_that_timed_out_begins_anew, set_runs_on_no_rows,
          all_live_keys_in_every_batch, initial_rows, many_initial_rows,
          snapshots_of_what_nobody_reads, snapshots_are_of_the_time_after_the_batch,
          what_overflows_is_null, a_condition_that_overflows_is_null, of_a_parent_with_a_slide,
          a_state_goes_on_when_nobody_reads, nothing_to_do, many_keys,
          one_piece_is_as_good_as_several, joins_where_it_is, several_that_keep_something,
          state_that_is_lost_begins_anew)
