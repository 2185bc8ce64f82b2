/*
 * loggen writes a made-up web server's log in the Combined Log Format, at a given rate, to
 * standard output or over TCP. It feeds the samples and the demonstration.
 *
 * The skew is that of real sites: paths and hosts follow Zipf's law (the n-th most frequent one
 * is asked for 1/n as often as the first), sizes are log-normal around the size of their kind of
 * page, most answers are 200, and the 404s are for paths that are not there. The same seed gives
 * the same requests; with --time also the same time stamps, so the whole output.
 *
 * Lines go out in ticks of 10 ms. When the reader is slow, a tick blocks; what was missed is
 * made up for, but not for more than a second's worth, so that no burst follows a long pause.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 10000000
#define MAX_LINE 512
#define BUFFER_SIZE (256 * 1024)
#define N_PAGES 600
#define N_HOSTS 5000

typedef struct options {
    double rate;    /* lines a second; 0: as fast as the reader takes them */
    uint64_t lines; /* 0: without end */
    uint64_t seed;
    uint64_t bad; /* one line in so many is cut short; 0: none */
    int64_t time; /* seconds since 1970 of the first line; -1: the clock */
    const char *listen, *connect;
} options;

typedef struct page {
    char path[48];
    double log_bytes; /* mean of the logarithm of the size */
    bool there;
} page;

typedef struct generator {
    uint64_t random[2];
    const options *options;
    uint64_t made;
    page pages[N_PAGES];
    uint32_t hosts[N_HOSTS];
    double page_weights[N_PAGES], host_weights[N_HOSTS]; /* running sums */
    int64_t stamp_second;
    char stamp[40];
} generator;

/* ---- random numbers: xorshift128+ ---- */

static uint64_t next_random(generator *g)
{
    uint64_t a = g->random[0], b = g->random[1];
    g->random[0] = b;
    a ^= a << 23;
    g->random[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return g->random[1] + b;
}

/* At least 0, less than 1. */
static double uniform(generator *g)
{
    return (double)(next_random(g) >> 11) * 0x1p-53;
}

/* The place of a uniform draw in running sums: place i with the weight sums[i] - sums[i - 1]. */
static size_t draw(generator *g, const double *sums, size_t n)
{
    double x = uniform(g) * sums[n - 1];
    size_t low = 0, high = n - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sums[middle] > x)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void make_zipf(double *sums, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sums[i] = sum += 1 / (double)(i + 1);
}

/* ---- the site ---- */

static const struct {
    const char *path;
    int kib;
    bool there;
} front_pages[] = {
    {"/", 14, true},
    {"/style.css", 9, true},
    {"/images/logo.png", 22, true},
    {"/favicon.ico", 4, true},
    {"/robots.txt", 1, true},
    {"/blog/", 18, true},
    {"/search", 11, true},
    {"/login", 5, true},
    {"/feed.xml", 37, true},
    {"/docs/", 16, true},
    {"/wp-login.php", 1, false},
    {"/api/v1/status", 1, true},
    {"/about", 7, true},
    {"/downloads/latest", 900, true},
    {"/.env", 1, false},
};

static const struct {
    const char *pattern;
    int kib;
    bool there;
} page_kinds[] = {
    {"/blog/post-%zu", 24, true},         {"/docs/chapter-%zu.html", 31, true},
    {"/images/photo-%zu.jpg", 140, true}, {"/products/%zu", 12, true},
    {"/users/%zu/profile", 6, true},      {"/old/page%zu.asp", 1, false},
};

#define N_FRONT (sizeof front_pages / sizeof *front_pages)
#define N_KINDS (sizeof page_kinds / sizeof *page_kinds)

static const char *const agents[] = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Mobile/15E148",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/7.88.1",
    "-",
};
static const double agent_sums[] = {25, 65, 88, 95, 98, 100};

static const char *const referers[] = {
    "-",
    "https://www.example.com/",
    "https://search.example.org/?q=streams",
    "https://news.example.net/item?id=40",
};
static const double referer_sums[] = {45, 80, 95, 100};

static const struct {
    int status;
    bool body;
} answers[] = {{200, true}, {304, false}, {301, true}, {206, true},
               {404, true}, {403, true},  {500, true}, {503, true}};
static const double answer_sums[] = {885, 940, 965, 975, 988, 992, 998, 1000};

static void make_pages(generator *g)
{
    for (size_t i = 0; i < N_PAGES; i++) {
        page *p = &g->pages[i];
        size_t kind = i % N_KINDS;
        int kib = i < N_FRONT ? front_pages[i].kib : page_kinds[kind].kib;
        p->there = i < N_FRONT ? front_pages[i].there : page_kinds[kind].there;
        p->log_bytes = log(kib * 1024.0);
        if (i < N_FRONT)
            snprintf(p->path, sizeof p->path, "%s", front_pages[i].path);
        else
            snprintf(p->path, sizeof p->path, page_kinds[kind].pattern, i / N_KINDS);
    }
}

static void generator_init(generator *g, const options *o)
{
    *g = (generator){.options = o, .stamp_second = INT64_MIN};
    g->random[0] = o->seed * 0x9e3779b97f4a7c15u + 1;
    g->random[1] = ~o->seed;
    for (int i = 0; i < 32; i++)
        next_random(g);
    make_pages(g);
    make_zipf(g->page_weights, N_PAGES);
    make_zipf(g->host_weights, N_HOSTS);
    for (size_t i = 0; i < N_HOSTS; i++)
        g->hosts[i] = (uint32_t)next_random(g);
}

/* ---- lines ---- */

static const char *time_stamp(generator *g)
{
    const options *o = g->options;
    int64_t second = (int64_t)time(NULL);
    if (o->time >= 0)
        second = o->time + (int64_t)((double)g->made / (o->rate > 0 ? o->rate : 1000));
    if (second != g->stamp_second) {
        time_t t = (time_t)second;
        struct tm parts;
        gmtime_r(&t, &parts);
        strftime(g->stamp, sizeof g->stamp, "%d/%b/%Y:%H:%M:%S +0000", &parts);
        g->stamp_second = second;
    }
    return g->stamp;
}

/* A size with a log-normal distribution (by the method of Box and Muller), or "-". */
static void write_bytes(generator *g, const page *p, bool body, char *out, size_t size)
{
    double u = uniform(g);
    double angle = 6.283185307179586 * uniform(g);
    double normal = sqrt(-2 * log(1 - u)) * cos(angle);
    double bytes = exp(p->log_bytes + 0.7 * normal);
    if (body)
        snprintf(out, size, "%.0f", bytes);
    else
        snprintf(out, size, "-");
}

/* Writes one line with its end; returns its length, less than MAX_LINE. Everything is drawn in
 * an order of its own statement, so that all compilers make the same lines. */
static size_t write_line(generator *g, char *out)
{
    size_t answer = draw(g, answer_sums, sizeof answers / sizeof *answers);
    const page *p = &g->pages[draw(g, g->page_weights, N_PAGES)];
    uint32_t host = g->hosts[draw(g, g->host_weights, N_HOSTS)];
    const char *user = uniform(g) < 0.03 ? "alice" : "-";
    const char *method = uniform(g) < 0.94 ? "GET" : "POST";
    const char *referer = referers[draw(g, referer_sums, sizeof referers / sizeof *referers)];
    const char *agent = agents[draw(g, agent_sums, sizeof agents / sizeof *agents)];
    char bytes[32];
    write_bytes(g, p, answers[answer].body || !p->there, bytes, sizeof bytes);
    int length =
        snprintf(out, MAX_LINE, "%u.%u.%u.%u - %s [%s] \"%s %s HTTP/1.1\" %d %s \"%s\" \"%s\"\n",
                 host >> 24 | 1, host >> 16 & 255, host >> 8 & 255, host & 255, user, time_stamp(g),
                 method, p->path, p->there ? answers[answer].status : 404, bytes, referer, agent);
    g->made++;
    if (g->options->bad > 0 && g->made % g->options->bad == 0) {
        char *request = strchr(out, '"');
        length = (int)(request + 5 - out);
        request[4] = '\n';
    }
    return (size_t)length;
}

/* ---- pace ---- */

static int64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* How many lines are due after so many nanoseconds, of which sent are out. */
static uint64_t lines_due(const generator *g, int64_t elapsed_ns, uint64_t *sent)
{
    double rate = g->options->rate;
    if (rate <= 0)
        return UINT64_MAX;
    uint64_t due = (uint64_t)((double)elapsed_ns * 1e-9 * rate);
    uint64_t most = (uint64_t)rate + 1;
    if (due - *sent > most)
        *sent = due - most; /* that much will never be made up for */
    return due - *sent;
}

static bool is_done(const generator *g)
{
    return g->options->lines > 0 && g->made >= g->options->lines;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

/* Makes up to due lines in pieces and writes them; false if the reader is gone. */
static bool write_lines(generator *g, int fd, uint64_t due, uint64_t *sent)
{
    static char buffer[BUFFER_SIZE];
    size_t length = 0;
    for (; due > 0 && !is_done(g); due--, ++*sent) {
        length += write_line(g, buffer + length);
        if (length + MAX_LINE <= sizeof buffer)
            continue;
        if (!write_all(fd, buffer, length))
            return false;
        length = 0;
    }
    return write_all(fd, buffer, length);
}

/* Feeds one reader; true when all lines are out, false if it went away. */
static bool feed(generator *g, int fd)
{
    int64_t start = clock_ns();
    uint64_t sent = 0;
    while (!is_done(g)) {
        if (!write_lines(g, fd, lines_due(g, clock_ns() - start, &sent), &sent))
            return false;
        nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
    }
    return true;
}

/* ---- where to ---- */

static _Noreturn void __attribute__((format(printf, 2, 3))) die(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("loggen: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(status);
}

static struct addrinfo *resolve(const char *address)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    if (colon == NULL || (size_t)(colon - address) >= sizeof host)
        die(64, "\"%s\" is not host:port", address);
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(host, colon + 1, &hints, &found);
    if (error != 0)
        die(69, "%s: %s", address, gai_strerror(error));
    return found;
}

static void say_port(int fd)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    char port[16] = "?";
    if (getsockname(fd, (struct sockaddr *)&name, &length) == 0)
        getnameinfo((struct sockaddr *)&name, length, NULL, 0, port, sizeof port, NI_NUMERICSERV);
    fprintf(stderr, "loggen: listening on port %s\n", port);
}

static int serve(generator *g, const char *address)
{
    struct addrinfo *where = resolve(address);
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, where->ai_addr, where->ai_addrlen) != 0 || listen(fd, 8) != 0)
        die(69, "cannot listen on %s: %s", address, strerror(errno));
    freeaddrinfo(where);
    say_port(fd);
    for (bool done = false; !done;) {
        int client = accept(fd, NULL, NULL);
        if (client < 0 && errno != EINTR && errno != ECONNABORTED)
            die(74, "accept: %s", strerror(errno));
        if (client < 0)
            continue;
        done = feed(g, client);
        close(client);
    }
    close(fd);
    return 0;
}

static int dial(generator *g, const char *address)
{
    struct addrinfo *where = resolve(address);
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, where->ai_addr, where->ai_addrlen) != 0)
        die(69, "cannot connect to %s: %s", address, strerror(errno));
    freeaddrinfo(where);
    bool done = feed(g, fd);
    close(fd);
    if (!done)
        die(69, "%s closed the connection after %" PRIu64 " lines", address, g->made);
    return 0;
}

/* ---- options ---- */

static const char usage[] =
    "usage: loggen [options]\n"
    "Writes a web server's log in the Combined Log Format.\n\n"
    "  --rate N             lines a second (1000); 0: as fast as they are read\n"
    "  --lines N            stop after so many\n"
    "  --seed N             which made-up requests (1)\n"
    "  --bad N              one line in N is cut short\n"
    "  --time SECONDS       time stamps from this time on instead of the clock's\n"
    "  --listen HOST:PORT   serve clients, one after another, instead of standard output\n"
    "  --connect HOST:PORT  connect and write there\n";

static const struct option long_options[] = {
    {"rate", required_argument, NULL, 'r'},
    {"lines", required_argument, NULL, 'n'},
    {"seed", required_argument, NULL, 's'},
    {"bad", required_argument, NULL, 'b'},
    {"time", required_argument, NULL, 't'},
    {"listen", required_argument, NULL, 'l'},
    {"connect", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static uint64_t read_number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number > INT64_MAX)
        die(64, "\"%s\" is not a number", text);
    return number;
}

static void take_option(options *o, int option)
{
    switch (option) {
    case 'r': o->rate = (double)read_number(optarg); break;
    case 'n': o->lines = read_number(optarg); break;
    case 's': o->seed = read_number(optarg); break;
    case 'b': o->bad = read_number(optarg); break;
    case 't': o->time = (int64_t)read_number(optarg); break;
    case 'l': o->listen = optarg; break;
    case 'c': o->connect = optarg; break;
    case 'h': fputs(usage, stdout); exit(0);
    default: fputs(usage, stderr); exit(64);
    }
}

int main(int argc, char **argv)
{
    static generator g;
    options o = {.rate = 1000, .seed = 1, .time = -1};
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;)
        take_option(&o, c);
    if (optind != argc || (o.listen != NULL && o.connect != NULL))
        take_option(&o, '?');
    signal(SIGPIPE, SIG_IGN);
    generator_init(&g, &o);
    if (o.listen != NULL)
        return serve(&g, o.listen);
    if (o.connect != NULL)
        return dial(&g, o.connect);
    return feed(&g, STDOUT_FILENO) || errno == EPIPE ? 0 : 74;
}
