/*
 * The format `combined`: the Common and the Combined Log Format of web servers.
 *
 *     host ident user [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 12 "referer" "agent"
 *
 * The line is cut into its fields in one pass; Common ends after the bytes. Fields are
 * separated by one blank. A backslash in quotes takes the next character with it, so that \"
 * does not end the field; both are left as they are.
 */
#include "columnar/format_marked.h"
#include "columnar/format_scan.h"
#include "columnar/text.h"

#include <stdlib.h>

enum { HOST, IDENT, USER, TIME, METHOD, PATH, PROTOCOL, STATUS, BYTES, REFERER, AGENT, N_COLUMNS };

static const ds_field columns[N_COLUMNS] = {
    [HOST] = {"host", {DS_STRING, 0}},         [IDENT] = {"ident", {DS_STRING, 0}},
    [USER] = {"user", {DS_STRING, 0}},         [TIME] = {"time", {DS_TIMESTAMP, 0}},
    [METHOD] = {"method", {DS_STRING, 0}},     [PATH] = {"path", {DS_STRING, 0}},
    [PROTOCOL] = {"protocol", {DS_STRING, 0}}, [STATUS] = {"status", {DS_INT, 0}},
    [BYTES] = {"bytes", {DS_INT, 0}},          [REFERER] = {"referer", {DS_STRING, 0}},
    [AGENT] = {"agent", {DS_STRING, 0}},
};

#define DATE_BYTES 11u /* 17/May/2015 */
#define TIME_BYTES 26u /* 17/May/2015:10:05:03 +0000 */
#define TIME_AT 6u     /* in ` - - [17/May/2015:10:05:03 +0000] "` */
#define MIDDLE_BYTES (TIME_AT + TIME_BYTES + 3)

/* The time of the line before: its date, and often all of it, is that of the next line, too. */
typedef struct combined_state {
    char middle[MIDDLE_BYTES]; /* with zeros for a time if there is none */
    int64_t us;
    int64_t date_seconds;
} combined_state;

static ds_status prepare(ds_arena *arena, const ds_format_spec *spec, ds_format *format,
                         ds_error *error)
{
    (void)spec, (void)error;
    static const ds_mark_bytes marks = {.special = "\"\\", .separator = ' '};
    format->marks = &marks;
    format->schema = (ds_schema){DS_ARENA_ARRAY(arena, ds_field, N_COLUMNS), N_COLUMNS};
    memcpy(format->schema.fields, columns, sizeof columns);
    return DS_OK;
}

static void *state_new(const ds_format *format)
{
    (void)format;
    combined_state *state = ds_calloc(1, sizeof *state);
    memcpy(state->middle, " - - [", TIME_AT);
    memcpy(state->middle + TIME_AT + TIME_BYTES, "] \"", 3);
    return state;
}

/* Cutting a line into fields. */

typedef struct span {
    const char *text;
    uint32_t length;
} span;

typedef struct log_line {
    span host, ident, user, time, request, status, bytes, referer, agent; /* without quotes */
    bool time_is_known;                                                   /* it is the state's */
} log_line;

static inline bool is_dash(const span *field)
{
    return field->length == 1 && field->text[0] == '-';
}

/* The first blank at or behind p, or the end. */
DS_ALWAYS_INLINE const char *find_blank(const char *p, const ds_record *record)
{
    const ds_marks *marks = record->marks;
    if (DS_UNLIKELY(marks == NULL))
        return ds_scan_for(p, record->end, record->limit, ' ');
    p = ds_mark_next(marks, marks->separators, p);
    return p < record->end ? p : record->end;
}

/* The first quote or backslash at or behind p, or the end. */
DS_ALWAYS_INLINE const char *find_quote(const char *p, const ds_record *record)
{
    const ds_marks *marks = record->marks;
    if (DS_UNLIKELY(marks == NULL))
        return ds_scan_either(p, record->end, record->limit, '"', '\\');
    p = ds_mark_next(marks, marks->special, p);
    return p < record->end ? p : record->end;
}

/* Takes text up to the next blank or the end; not empty. Returns what is behind, or NULL. */
DS_ALWAYS_INLINE const char *take_token(const char *p, const ds_record *record, span *field)
{
    const char *from = p;
    p = find_blank(p, record);
    *field = (span){from, (uint32_t)(p - from)};
    return p > from ? p : NULL;
}

/* Takes "text" (or a bare -) at p. Returns what is behind the closing quote, or NULL. */
DS_ALWAYS_INLINE const char *take_quoted(const char *p, const ds_record *record, span *field)
{
    if (p == record->end || *p != '"') {
        p = take_token(p, record, field);
        return p != NULL && is_dash(field) ? p : NULL;
    }
    const char *from = ++p;
    for (;;) {
        p = find_quote(p, record);
        if (p == record->end)
            return NULL;
        if (*p == '"')
            break;
        p += record->end - p > 1 ? 2 : 1;
    }
    *field = (span){from, (uint32_t)(p - from)};
    return p + 1;
}

/* Takes [time] (or a bare -) at p. */
DS_ALWAYS_INLINE const char *take_time(const char *p, const ds_record *record, span *field)
{
    if (p == record->end || *p != '[') {
        p = take_token(p, record, field);
        return p != NULL && is_dash(field) ? p : NULL;
    }
    const char *from = ++p;
    p = ds_scan_for(p, record->end, record->limit, ']');
    *field = (span){from, (uint32_t)(p - from)};
    return p < record->end ? p + 1 : NULL;
}

/* Passes over one blank. NULL if there is none. */
DS_ALWAYS_INLINE const char *take_blank(const char *p, const ds_record *record)
{
    return p < record->end && *p == ' ' ? p + 1 : NULL;
}

#define TAKE(how, field, what)                                                                     \
    do {                                                                                           \
        p = how(p, record, &line->field);                                                          \
        if (DS_UNLIKELY(p == NULL))                                                                \
            return "the " what " is missing or has no end";                                        \
    } while (0)
#define TAKE_BLANK(what)                                                                           \
    do {                                                                                           \
        p = take_blank(p, record);                                                                 \
        if (DS_UNLIKELY(p == NULL))                                                                \
            return "no blank behind the " what;                                                    \
    } while (0)

static inline bool is_middle(const combined_state *state, const char *p)
{
    static const uint8_t words[] = {0, 8, 16, 24, MIDDLE_BYTES - 8};
    uint64_t differs = 0;
    for (unsigned i = 0; i < sizeof words; i++)
        differs |= ds_digits_load(p + words[i], 8) ^ ds_digits_load(state->middle + words[i], 8);
    return differs == 0;
}

/* Takes ` - - [time] "` with the time of the line before, up to the quote. NULL: it is not that. */
DS_ALWAYS_INLINE const char *take_as_before(const char *p, const ds_record *record,
                                            const combined_state *state, log_line *line)
{
    if (record->end - p < (ptrdiff_t)MIDDLE_BYTES || !is_middle(state, p))
        return NULL;
    line->ident = (span){p + 1, 1};
    line->user = (span){p + 3, 1};
    line->time = (span){p + TIME_AT, TIME_BYTES};
    line->time_is_known = true;
    return p + MIDDLE_BYTES - 1;
}

/* Takes what stands between the host and the request. Returns NULL, or what is wrong. */
__attribute__((noinline)) static const char *cut_middle(const char **at, const ds_record *record,
                                                        log_line *line)
{
    const char *p = *at;
    TAKE_BLANK("host");
    TAKE(take_token, ident, "ident");
    TAKE_BLANK("ident");
    TAKE(take_token, user, "user");
    TAKE_BLANK("user");
    TAKE(take_time, time, "time");
    TAKE_BLANK("time");
    *at = p;
    return NULL;
}

/* Cuts the record into fields. Returns NULL, or what is wrong. */
DS_ALWAYS_INLINE const char *cut(const ds_record *record, const combined_state *state,
                                 log_line *line)
{
    const char *p = record->text;
    TAKE(take_token, host, "host");
    line->time_is_known = false;
    const char *request = take_as_before(p, record, state, line), *wrong;
    if (request != NULL)
        p = request;
    else if ((wrong = cut_middle(&p, record, line)) != NULL)
        return wrong;
    TAKE(take_quoted, request, "request");
    TAKE_BLANK("request");
    TAKE(take_token, status, "status");
    TAKE_BLANK("status");
    TAKE(take_token, bytes, "number of bytes");
    if (p == record->end) { /* Common */
        line->referer = line->agent = (span){"-", 1};
        return NULL;
    }
    TAKE_BLANK("number of bytes");
    TAKE(take_quoted, referer, "referer");
    TAKE_BLANK("referer");
    TAKE(take_quoted, agent, "agent");
    return p == record->end ? NULL : "there is more behind the agent";
}

/* The time. */

#define MONTH(a, b, c) ((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (uint32_t)(c))

static const uint32_t month_names[12] = {
    MONTH('J', 'a', 'n'), MONTH('F', 'e', 'b'), MONTH('M', 'a', 'r'), MONTH('A', 'p', 'r'),
    MONTH('M', 'a', 'y'), MONTH('J', 'u', 'n'), MONTH('J', 'u', 'l'), MONTH('A', 'u', 'g'),
    MONTH('S', 'e', 'p'), MONTH('O', 'c', 't'), MONTH('N', 'o', 'v'), MONTH('D', 'e', 'c'),
};

/* 1 to 12, or 0. */
static unsigned month_number(const char *text)
{
    uint32_t name = MONTH((unsigned char)text[0], (unsigned char)text[1], (unsigned char)text[2]);
    for (unsigned i = 0; i < 12; i++)
        if (month_names[i] == name)
            return i + 1;
    return 0;
}

/* Two digits, or a number of 1000 or more. */
static inline unsigned two_digits(const char *text)
{
    unsigned high = (unsigned)(unsigned char)text[0] - '0';
    unsigned low = (unsigned)(unsigned char)text[1] - '0';
    return high > 9 || low > 9 ? 1000 : high * 10 + low;
}

static unsigned days_of(unsigned month, unsigned year)
{
    static const unsigned char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (unsigned)(month == 2 && leap);
}

/* 17/May/2015 to seconds since 1970. */
static bool read_date(const char *text, int64_t *seconds)
{
    unsigned day = two_digits(text), month = month_number(text + 3);
    unsigned century = two_digits(text + 7), year = century * 100 + two_digits(text + 9);
    if (text[2] != '/' || text[6] != '/' || century > 99 || year < 1 || year > 9999)
        return false;
    if (month == 0 || day < 1 || day > days_of(month, year) || two_digits(text + 9) > 99)
        return false;
    *seconds = ds_days_from_civil(year, month, day) * 86400;
    return true;
}

static void forget_time(combined_state *state)
{
    memset(state->middle + TIME_AT, 0, TIME_BYTES);
}

/* Sets the date of text, if it is another than that of the line before. */
static inline bool use_date(combined_state *state, const char *text)
{
    return memcmp(text, state->middle + TIME_AT, DATE_BYTES) == 0 ||
           read_date(text, &state->date_seconds);
}

/* 17/May/2015:10:05:03 +0000 to microseconds since 1970. */
static bool read_new_time(combined_state *state, const span *field, int64_t *us)
{
    const char *text = field->text;
    if (field->length != TIME_BYTES)
        return false;
    if (!use_date(state, text)) {
        forget_time(state);
        return false;
    }
    unsigned hour = two_digits(text + 12), minute = two_digits(text + 15);
    unsigned second = two_digits(text + 18);
    unsigned zone_hour = two_digits(text + 22), zone_minute = two_digits(text + 24);
    bool colons = text[11] == ':' && text[14] == ':' && text[17] == ':' && text[20] == ' ';
    bool sign = text[21] == '+' || text[21] == '-';
    int64_t zone = (int64_t)(zone_hour * 3600 + zone_minute * 60);
    int64_t seconds = state->date_seconds + (int64_t)(hour * 3600 + minute * 60 + second) -
                      (text[21] == '-' ? -zone : zone);
    *us = seconds * 1000000;
    bool good = colons && sign && hour <= 23 && minute <= 59 && second <= 59 && zone_hour <= 23 &&
                zone_minute <= 59;
    if (good)
        memcpy(state->middle + TIME_AT, text, TIME_BYTES);
    else
        forget_time(state);
    state->us = *us;
    return good;
}

static inline bool read_time(combined_state *state, const span *field, int64_t *us)
{
    const char *known = state->middle + TIME_AT;
    if (field->length != TIME_BYTES || memcmp(field->text, known, TIME_BYTES) != 0)
        return read_new_time(state, field, us);
    *us = state->us;
    return true;
}

/* Rows. */

DS_ALWAYS_INLINE void put_span(ds_decoder *decoder, const ds_record *record, uint32_t column,
                               const span *field)
{
    if (decoder->columns[column] == NULL)
        return;
    if (is_dash(field))
        ds_put_null(decoder, column);
    else
        ds_put_view(decoder, column, ds_record_view(record, field->text, field->length));
}

static inline bool put_number(ds_decoder *decoder, const ds_record *record, uint32_t column,
                              const span *field)
{
    int64_t number = 0;
    ds_bad_reason reason = DS_BAD_TYPE;
    if (is_dash(field)) {
        ds_put_null(decoder, column);
        return true;
    }
    if (DS_UNLIKELY(!ds_field_int(field->text, field->length, &number, &reason)))
        return ds_record_bad(decoder, record, reason, "%s %s is %s an int", columns[column].name,
                             ds_record_shown(decoder, field->text, field->length),
                             reason == DS_BAD_RANGE ? "out of range for" : "not");
    ds_put_int(decoder, column, number);
    return true;
}

__attribute__((noinline)) static bool put_time(ds_decoder *decoder, const ds_record *record,
                                               const span *field)
{
    int64_t us = 0;
    if (is_dash(field)) {
        ds_put_null(decoder, TIME);
        return true;
    }
    bool ok = read_time(decoder->state, field, &us);
    if (DS_UNLIKELY(!ok || us < DS_TIMESTAMP_MIN || us > DS_TIMESTAMP_MAX)) {
        forget_time(decoder->state);
        return ds_record_bad(decoder, record, ok ? DS_BAD_RANGE : DS_BAD_TYPE,
                             "time %s is not like 17/May/2015:10:05:03 +0000",
                             ds_record_shown(decoder, field->text, field->length));
    }
    ds_put_int(decoder, TIME, us);
    return true;
}

/* "method path protocol": three parts, single blanks between them. */
static inline void put_request(ds_decoder *decoder, const ds_record *record, const span *request)
{
    const char *from = request->text, *end = from + request->length;
    ds_column *const *wanted = decoder->columns;
    if (wanted[METHOD] == NULL && wanted[PATH] == NULL && wanted[PROTOCOL] == NULL)
        return;
    const char *first = find_blank(from, record);
    const char *second = first < end ? find_blank(first + 1, record) : end;
    const char *third = second < end ? find_blank(second + 1, record) : end;
    if (second >= end || third < end || first == from || second == first + 1 || end == second + 1) {
        ds_put_null(decoder, METHOD);
        ds_put_null(decoder, PATH);
        ds_put_null(decoder, PROTOCOL);
        return;
    }
    span method = {from, (uint32_t)(first - from)};
    span path = {first + 1, (uint32_t)(second - first - 1)};
    span protocol = {second + 1, (uint32_t)(end - second - 1)};
    put_span(decoder, record, METHOD, &method);
    put_span(decoder, record, PATH, &path);
    put_span(decoder, record, PROTOCOL, &protocol);
}

DS_ALWAYS_INLINE bool decode_line(ds_decoder *decoder, const ds_record *record)
{
    log_line line;
    const char *wrong = cut(record, decoder->state, &line);
    if (DS_UNLIKELY(wrong != NULL))
        return ds_record_bad(decoder, record, DS_BAD_SYNTAX, "not a log line: %s", wrong);
    if (DS_LIKELY(line.time_is_known))
        ds_put_int(decoder, TIME, ((const combined_state *)decoder->state)->us);
    else if (!put_time(decoder, record, &line.time))
        return false;
    if (!put_number(decoder, record, STATUS, &line.status) ||
        !put_number(decoder, record, BYTES, &line.bytes))
        return false;
    put_span(decoder, record, HOST, &line.host);
    put_span(decoder, record, IDENT, &line.ident);
    put_span(decoder, record, USER, &line.user);
    put_request(decoder, record, &line.request);
    put_span(decoder, record, REFERER, &line.referer);
    put_span(decoder, record, AGENT, &line.agent);
    return true;
}

/*
 * Lines as most are: a dash for ident, a status of three digits, up to eight digits of bytes or a
 * dash, a referer and an agent. They are cut by their marks, whatever is wanted of them.
 */

typedef struct common_line {
    const char *host, *host_end, *user_end, *request, *request_end, *bytes_end;
    const char *referer, *referer_end, *agent, *agent_end;
} common_line;

#define USER_AT 3u     /* in ` - - [time] "` */
#define STATUS_BYTES 6 /* `" 200 ` */

/* The middle, at p, is not that of the line before: a user has a name, or the time is another,
 * which becomes the state's. Returns where the request begins, and in *user where the user ends, or
 * NULL: it is nothing of that kind. */
__attribute__((noinline)) static const char *
take_other_middle(combined_state *state, const ds_marks *marks, const char *p, const char **user)
{
    int64_t us;
    if (memcmp(p, " - ", USER_AT) != 0)
        return NULL;
    const char *user_end = ds_mark_next(marks, marks->separators, p + USER_AT);
    span field = {user_end + 2, TIME_BYTES};
    const char *behind = user_end + 2 + TIME_BYTES;
    if (user_end == p + USER_AT || memcmp(user_end, " [", 2) != 0 || memcmp(behind, "] \"", 3) != 0)
        return NULL;
    *user = user_end;
    if (memcmp(field.text, state->middle + TIME_AT, TIME_BYTES) == 0)
        return behind + 3;
    if (!read_new_time(state, &field, &us))
        return NULL;
    if (us >= DS_TIMESTAMP_MIN && us <= DS_TIMESTAMP_MAX)
        return behind + 3;
    forget_time(state);
    return NULL;
}

/* As is_middle. */
DS_MARKED DS_ALWAYS_INLINE bool is_middle_marked(const combined_state *state, const char *p)
{
#if defined(__x86_64__)
    const void *first = p, *last = p + MIDDLE_BYTES - 32, *known = state->middle;
    const void *known_last = state->middle + MIDDLE_BYTES - 32;
    __m256i same = _mm256_and_si256(
        _mm256_cmpeq_epi8(_mm256_loadu_si256(first), _mm256_loadu_si256(known)),
        _mm256_cmpeq_epi8(_mm256_loadu_si256(last), _mm256_loadu_si256(known_last)));
    return _mm256_movemask_epi8(same) == -1;
#else
    return is_middle(state, p);
#endif
}

/* The number at p, where that is. */
DS_ALWAYS_INLINE int64_t status_at(const char *p)
{
    return (p[2] - '0') * 100 + (p[3] - '0') * 10 + (p[4] - '0');
}

/* Which of the 16 bytes at p are digits: a bit for each. */
DS_MARKED DS_ALWAYS_INLINE uint32_t digits_at(const char *p)
{
#if defined(__SSE2__)
    __m128i from_zero = _mm_sub_epi8(_mm_loadu_si128((const void *)p), _mm_set1_epi8('0'));
    __m128i digits = _mm_cmpeq_epi8(_mm_min_epu8(from_zero, _mm_set1_epi8(9)), from_zero);
    return (uint32_t)_mm_movemask_epi8(digits);
#else
    uint32_t digits = 0;
    for (unsigned i = 0; i < 16; i++)
        digits |= (uint32_t)(p[i] >= '0' && p[i] <= '9') << i;
    return digits;
#endif
}

/* Whether `" 200 39629 "` with any digits, up to eight of the second number, is at p; or a dash for
 * that. *bytes_end: the end of it. */
DS_MARKED DS_ALWAYS_INLINE bool are_numbers(const char *p, const char **bytes_end)
{
    const uint64_t fixed = UINT64_C(0x20) << 40 | 0x2022, mask = UINT64_C(0xff) << 40 | 0xffff;
    uint32_t digits = digits_at(p), status = 7u << 2;
    uint32_t n = (uint32_t)__builtin_ctz(~(digits >> STATUS_BYTES));
    n += p[STATUS_BYTES] == '-';
    *bytes_end = p + STATUS_BYTES + n;
    return ((ds_digits_load(p, 8) ^ fixed) & mask) == 0 && (digits & status) == status &&
           n - 1 < 8 && memcmp(*bytes_end, " \"", 2) == 0;
}

/* Cuts a line of that shape, and checks all of it. */
DS_MARKED DS_ALWAYS_INLINE bool cut_common(combined_state *state, const ds_marks *marks,
                                           const char *text, const char *end, common_line *line)
{
    line->host = text;
    line->host_end = ds_mark_next(marks, marks->separators, text);
    line->user_end = line->host_end + USER_AT + 1;
    line->request = line->host_end + MIDDLE_BYTES;
    if (DS_UNLIKELY(!is_middle_marked(state, line->host_end))) {
        const char *user_end;
        line->request = take_other_middle(state, marks, line->host_end, &user_end);
        if (line->request == NULL)
            return false;
        line->user_end = user_end;
    }
    line->request_end = ds_mark_next(marks, marks->special, line->request);
    if (DS_UNLIKELY(!are_numbers(line->request_end, &line->bytes_end)))
        return false;
    line->referer = line->bytes_end + 2;
    line->referer_end = ds_mark_next(marks, marks->special, line->referer);
    if (DS_UNLIKELY(memcmp(line->referer_end, "\" \"", 3) != 0))
        return false;
    line->agent = line->referer_end + 3;
    line->agent_end = ds_mark_next_long(marks, marks->special, line->agent);
    bool ends = line->agent_end + 1 == end || (line->agent_end + 2 == end && end[-1] == '\r');
    return line->host_end > text && ends && *line->agent_end == '"';
}

DS_ALWAYS_INLINE void put_bytes(ds_decoder *decoder, const common_line *line)
{
    const char *from = line->request_end + STATUS_BYTES;
    if (*from == '-')
        ds_put_null(decoder, BYTES);
    else
        ds_put_int(
            decoder, BYTES,
            (int64_t)ds_digits_value(ds_digits_padded(from, (size_t)(line->bytes_end - from))));
}

DS_MARKED DS_ALWAYS_INLINE void put_text(ds_decoder *decoder, uint32_t column, const char *from,
                                         const char *to)
{
    ds_column *into = decoder->columns[column];
    uint32_t length = (uint32_t)(to - from);
    if (into == NULL)
        return;
    if (DS_UNLIKELY(length == 1 && *from == '-'))
        ds_put_null(decoder, column);
    else
        into->views[decoder->n_rows] = ds_marked_view(decoder, from, length);
}

/* Puts the request of a line that has an odd one. */
__attribute__((noinline)) static void put_odd_request(ds_decoder *decoder, const char *from,
                                                      const char *end)
{
    const ds_lines *lines = &decoder->lines;
    span request = {from, (uint32_t)(end - from)};
    ds_record record = {.text = from,
                        .end = end,
                        .limit = lines->bytes + lines->length,
                        .marks = lines->marks,
                        .buffer = decoder->buffer,
                        .offset = (uint32_t)(from - lines->bytes)};
    put_request(decoder, &record, &request);
}

/* As put_request; short ones have all their blanks in one word. */
DS_MARKED DS_ALWAYS_INLINE void put_common_request(ds_decoder *decoder, const common_line *line)
{
    const ds_marks *marks = decoder->lines.marks;
    const char *from = line->request, *end = line->request_end;
    size_t length = (size_t)(end - from);
    uint64_t blanks = ds_mark_bits(marks, marks->separators, from);
    blanks &= (UINT64_C(1) << length % 64) - 1;
    size_t first = (size_t)__builtin_ctzll(blanks | UINT64_C(1) << 63);
    uint64_t rest = blanks & (blanks - 1);
    size_t second = (size_t)__builtin_ctzll(rest | UINT64_C(1) << 63);
    bool three = rest != 0 && (rest & (rest - 1)) == 0 && first > 0 && second > first + 1;
    if (DS_UNLIKELY(length > DS_MARK_BITS || !three || second + 1 == length)) {
        put_odd_request(decoder, from, end);
        return;
    }
    put_text(decoder, METHOD, from, from + first);
    put_text(decoder, PATH, from + first + 1, from + second);
    put_text(decoder, PROTOCOL, from + second + 1, end);
}

/* What is not wanted as often. */
DS_MARKED __attribute__((noinline)) static void put_others(ds_decoder *decoder,
                                                           const common_line *line)
{
    ds_put_int(decoder, TIME, ((const combined_state *)decoder->state)->us);
    put_text(decoder, HOST, line->host, line->host_end);
    ds_put_null(decoder, IDENT);
    put_text(decoder, USER, line->host_end + USER_AT, line->user_end);
    put_text(decoder, REFERER, line->referer, line->referer_end);
    put_text(decoder, AGENT, line->agent, line->agent_end);
}

static bool wants(const ds_decoder *decoder, const uint8_t *which, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (decoder->columns[which[i]] != NULL)
            return true;
    return false;
}

DS_MARKED static void decode_common(ds_decoder *decoder)
{
    static const uint8_t requests[] = {METHOD, PATH, PROTOCOL};
    static const uint8_t others[] = {HOST, IDENT, USER, TIME, REFERER, AGENT};
    bool wants_request = wants(decoder, requests, sizeof requests);
    bool wants_others = wants(decoder, others, sizeof others);
    const char *text, *end;
    common_line line;
    while (ds_marked_line(decoder, &text, &end) &&
           cut_common(decoder->state, decoder->lines.marks, text, end, &line)) {
        ds_put_int(decoder, STATUS, status_at(line.request_end));
        if (decoder->columns[BYTES] != NULL)
            put_bytes(decoder, &line);
        if (wants_request)
            put_common_request(decoder, &line);
        if (wants_others) {
            const common_line all = line; /* so that `line` may be in registers */
            put_others(decoder, &all);
        }
        ds_marked_take(decoder);
    }
}

static void decode(ds_decoder *decoder)
{
    ds_decode_marked(decoder, decode_common, decode_line);
}

const ds_format_ops ds_format_combined = {
    .prepare = prepare,
    .state_new = state_new,
    .state_free = free,
    .decode = decode,
};
