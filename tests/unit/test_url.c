/* Addresses of links: what is allowed, and what is said of the rest. */
#include "rpc/url.h"

#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

static ds_url good(const char *url, bool listening)
{
    ds_url address;
    ds_error error = {0};
    ck_assert_msg(ds_url_parse(url, listening, &address, &error) == DS_OK, "%s: %s", url,
                  error.message);
    return address;
}

START_TEST(good_addresses_are_taken_apart)
{
    static const struct {
        const char *url;
        ds_transport transport;
        const char *shown;
    } urls[] = {
        {"abstract://a", DS_TRANSPORT_ABSTRACT, "abstract://a"},
        {"abstract://dstream-1.A_9", DS_TRANSPORT_ABSTRACT, "abstract://dstream-1.A_9"},
        {"inproc://x", DS_TRANSPORT_INPROC, "inproc://x"},
        {"tcp://127.0.0.1:1", DS_TRANSPORT_TCP, "tcp://127.0.0.1:1"},
        {"tcp://127.255.0.9:65535", DS_TRANSPORT_TCP, "tcp://127.255.0.9:65535"},
        {"tcp://[::1]:80", DS_TRANSPORT_TCP, "tcp://[::1]:80"},
        {"tcp://localhost:080", DS_TRANSPORT_TCP, "tcp://127.0.0.1:80"},
        {"tcp://example.org:80", DS_TRANSPORT_TCP, "tcp://example.org:80"},
        {"tls+tcp://localhost:80", DS_TRANSPORT_TLS, "tls+tcp://localhost:80"},
        {"tls+tcp://[2001:db8::1]:80", DS_TRANSPORT_TLS, "tls+tcp://[2001:db8::1]:80"},
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        for (int listening = 0; listening < 2; listening++) {
            ds_url address = good(urls[i].url, listening == 1);
            ck_assert_int_eq(address.transport, urls[i].transport);
            ck_assert_str_eq(address.url, urls[i].shown);
            if (address.transport != DS_TRANSPORT_INPROC)
                ck_assert_str_eq(address.real, urls[i].shown);
        }
    }
}
END_TEST

START_TEST(names_have_a_limit)
{
    char url[128] = "abstract://";
    ds_url address;
    memset(url + 11, 'n', DS_ADDRESS_NAME);
    good(url, true);
    memcpy(url, "inproc:///", 9);
    memset(url + 9, 'n', DS_ADDRESS_NAME);
    url[9 + DS_ADDRESS_NAME] = '\0';
    address = good(url, true);
    ck_assert_uint_le(strlen(address.real) - strlen("abstract://"), 107); /* what the OS allows */
    strcat(url, "n");
    ck_assert_int_eq(ds_url_parse(url, true, &address, NULL), DS_ERR_USAGE);
}
END_TEST

START_TEST(other_addresses_are_usage_errors)
{
    static const struct {
        const char *url, *why;
    } urls[] = {
        {"", "does not start with"},
        {"abstract", "does not start with"},
        {"ipc:///tmp/x", "does not start with"},
        {"tls://127.0.0.1:1", "does not start with"},
        {"tls+tcp://127.0.0.1", "tcp://host:port"},
        {"tls+tcp://a b:1", "the host is none"},
        {"ws://127.0.0.1:1", "does not start with"},
        {"TCP://127.0.0.1:1", "does not start with"},
        {"abstract://", "a name is"},
        {"abstract://a b", "a name is"},
        {"abstract://a/b", "a name is"},
        {"abstract://a%00b", "a name is"},
        {"inproc://", "a name is"},
        {"tcp://", "tcp://host:port"},
        {"tcp://127.0.0.1", "tcp://host:port"},
        {"tcp://:80", "tcp://host:port"},
        {"tcp://127.1:80", "the host is none"},
        {"tcp://1.2.3.4.5:80", "the host is none"},
        {"tcp://256.1.1.1:80", "the host is none"},
        {"tcp://-a:80", "the host is none"},
        {"tcp://user@127.0.0.1:80", "the host is none"},
        {"tcp://a/b:80", "the host is none"},
        {"tcp://a b:80", "the host is none"},
        {"tcp://::1:80", "the host is none"},
        {"tcp://[::1:80", "the host is none"},
        {"tcp://[]:80", "the host is none"},
        {"tcp://[1.2.3.4]:80", "the host is none"},
        {"tcp://[::1]x:80", "the host is none"},
        {"tcp://127.0.0.1:", "the port"},
        {"tcp://127.0.0.1:-1", "the port"},
        {"tcp://127.0.0.1:80x", "the port"},
        {"tcp://127.0.0.1:80/", "the port"},
        {"tcp://127.0.0.1:65536", "the port"},
        {"tcp://127.0.0.1:99999999999999999999", "the port"},
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        ds_url address;
        ds_error error = {0};
        ck_assert_msg(ds_url_parse(urls[i].url, true, &address, &error) == DS_ERR_USAGE,
                      "%s was taken", urls[i].url);
        ck_assert_msg(strstr(error.message, urls[i].why) != NULL, "\"%s\" does not say \"%s\"",
                      error.message, urls[i].why);
        ck_assert_ptr_nonnull(strstr(error.message, urls[i].url));
    }
}
END_TEST

START_TEST(addresses_beyond_this_host_want_a_secret)
{
    static const struct {
        const char *url;
        bool local;
    } urls[] = {
        {"tcp://127.0.0.1:80", true},
        {"tcp://127.9.9.9:80", true},
        {"tcp://[::1]:80", true},
        {"tcp://localhost:80", true},
        {"abstract://a", true},
        {"inproc://a", true},
        {"tcp://128.0.0.1:80", false},
        {"tcp://192.168.1.1:80", false},
        {"tcp://[fe80::1]:80", false},
        {"tcp://[::ffff:127.0.0.1]:80", false},
        {"tcp://example.org:80", false},
        {"tcp://127.0.0.1.example.org:80", false},
        {"tcp://localhost.example.org:80", false},
        {"tcp://0.0.0.0:80", false},
        {"tcp://*:80", false},
        {"tcp://[::]:80", false},
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        ds_error error = {0};
        ds_url address = good(urls[i].url, true);
        ck_assert_msg(address.local == urls[i].local, "%s", urls[i].url);
        ck_assert_int_eq(ds_url_check_secret(&address, true, &error), DS_OK);
        ds_status status = ds_url_check_secret(&address, false, &error);
        ck_assert_int_eq(status, urls[i].local ? DS_OK : DS_ERR_APP);
        if (!urls[i].local)
            ck_assert_ptr_nonnull(strstr(error.message, "executors.secret"));
    }
}
END_TEST

START_TEST(hosts_are_taken_out)
{
    static const char *const urls[][3] = {{"tcp://127.0.0.1:80", "127.0.0.1", "80"},
                                          {"tls+tcp://a.example:7", "a.example", "7"},
                                          {"tls+tcp://[2001:db8::1]:9", "2001:db8::1", "9"}};
    char host[DS_ADDRESS_URL], port[DS_ADDRESS_URL];
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        ds_url address = good(urls[i][0], false);
        ds_url_host(&address, host, port);
        ck_assert_str_eq(host, urls[i][1]);
        ck_assert_str_eq(port, urls[i][2]);
    }
}
END_TEST

START_TEST(addresses_are_made_of_others)
{
    static const char *const any[][2] = {{"tcp://127.0.0.1:80", "tcp://127.0.0.1:0"},
                                         {"tls+tcp://[::]:80", "tls+tcp://[::]:0"},
                                         {"abstract://a", ""}};
    static const char *const reach[][3] = {
        {"tcp://0.0.0.0:5", "tcp://10.0.0.1:80", "tcp://10.0.0.1:5"},
        {"tls+tcp://0.0.0.0:5", "tls+tcp://a.example:80", "tls+tcp://a.example:5"},
        {"tcp://[::]:5", "tcp://[fd00::1]:80", "tcp://[fd00::1]:5"},
        {"tcp://0.0.0.0:5", "abstract://a", "tcp://127.0.0.1:5"},
        {"tcp://[::]:5", "", "tcp://[::1]:5"},
        {"tcp://10.0.0.2:5", "tcp://10.0.0.1:80", "tcp://10.0.0.2:5"},
        {"abstract://b", "tcp://10.0.0.1:80", "abstract://b"}};
    char out[DS_ADDRESS_URL];
    for (size_t i = 0; i < sizeof any / sizeof *any; i++) {
        ds_url_any_port(any[i][0], out);
        ck_assert_str_eq(out, any[i][1]);
    }
    for (size_t i = 0; i < sizeof reach / sizeof *reach; i++) {
        ds_url_reach(reach[i][0], reach[i][1], out);
        ck_assert_str_eq(out, reach[i][2]);
    }
}
END_TEST

START_TEST(who_listens_everywhere_is_reached_somewhere)
{
    static const char *const urls[] = {"tcp://0.0.0.0:80", "tcp://*:80", "tcp://[::]:80"};
    ds_url address;
    ds_error error = {0};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        good(urls[i], true);
        ck_assert_int_eq(ds_url_parse(urls[i], false, &address, &error), DS_ERR_USAGE);
        ck_assert_ptr_nonnull(strstr(error.message, "to listen at"));
    }
}
END_TEST

START_TEST(long_addresses_are_usage_errors)
{
    char url[4096] = "tcp://";
    ds_url address;
    ds_error error;
    memset(url + 6, '1', sizeof url - 7);
    ck_assert_int_eq(ds_url_parse(url, true, &address, &error), DS_ERR_USAGE);
    url[sizeof url - 4] = ':';
    ck_assert_int_eq(ds_url_parse(url, true, &address, &error), DS_ERR_USAGE);
}
END_TEST

START_TEST(port_zero_is_for_listening)
{
    ds_url address;
    ck_assert_int_eq(ds_url_parse("tcp://127.0.0.1:0", false, &address, NULL), DS_ERR_USAGE);
    address = good("tcp://[::1]:0", true);
    ds_url_set_port(&address, 65535);
    ck_assert_str_eq(address.url, "tcp://[::1]:65535");
    ck_assert_str_eq(address.real, "tcp://[::1]:65535");
}
END_TEST

UNIT_MAIN("address", good_addresses_are_taken_apart, names_have_a_limit,
          other_addresses_are_usage_errors, addresses_beyond_this_host_want_a_secret,
          who_listens_everywhere_is_reached_somewhere, hosts_are_taken_out,
          addresses_are_made_of_others, long_addresses_are_usage_errors, port_zero_is_for_listening)
