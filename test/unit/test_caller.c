/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/route_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "geoip/mmdb_writer.h"

#define PROXIES "SEXTANT_TRUSTED_PROXIES=10.0.0.0/8,fd00::/8,127.0.0.1"
#define CALLERS "SEXTANT_TRUSTED_CALLERS=192.0.2.0/28,10.9.0.0/16"
#define CLUSTERS "SEXTANT_CLUSTERS=eu http://e:1 at=DE"

struct caller_case {
    const char *client_address; /* SEXTANT_CLIENT_ADDRESS */
    const char *peer;
    const char *fields;   /* "name: value" by "|" */
    const char *address;  /* and where it came from */
    const char *last_hop; /* "+" after it: trusted */
};

/* 10/8 are proxies, 192.0.2.0..15 trusted callers, 10.9/16 both. */
static const struct caller_case cases[] = {
    { "X-Forwarded-For", "203.0.113.1", "", "203.0.113.1 peer", "203.0.113.1" },
    { "X-Forwarded-For", "203.0.113.1", "x-forwarded-for: 198.51.100.1", "203.0.113.1 peer", "203.0.113.1" },
    { "X-Forwarded-For", "10.0.0.1", "x-forwarded-for: 198.51.100.1", "198.51.100.1 header", "198.51.100.1" },
    { "X-Forwarded-For", "::ffff:10.0.0.1", "x-forwarded-for: 198.51.100.1", "198.51.100.1 header", "198.51.100.1" },
    { "X-Forwarded-For", "fd00::1%eth0", "x-forwarded-for: 2001:db8::5", "2001:db8::5 header", "2001:db8::5" },
    { "X-Forwarded-For", "10.0.0.1", "", "10.0.0.1 peer", "10.0.0.1" },
    /* what the client wrote itself stands at the left */
    { "X-Forwarded-For", "10.0.0.1", "x-forwarded-for: 1.1.1.1, 198.51.100.1", "198.51.100.1 header", "198.51.100.1" },
    { "X-Forwarded-For", "10.0.0.1", "x-forwarded-for: 192.0.2.1, 198.51.100.1", "198.51.100.1 header",
        "198.51.100.1" },
    { "X-Forwarded-For", "10.0.0.1", "x-forwarded-for: 198.51.100.1, 10.0.0.2, 10.0.0.3", "198.51.100.1 header",
        "198.51.100.1" },
    { "X-Forwarded-For", "10.0.0.1", "x-forwarded-for: 198.51.100.1|x-forwarded-for: 10.0.0.2", "198.51.100.1 header",
        "198.51.100.1" },
    { "X-Forwarded-For", "10.0.0.1", "x-forwarded-for: 1.1.1.1|x-forwarded-for: 198.51.100.1", "198.51.100.1 header",
        "198.51.100.1" },
    { "X-Forwarded-For", "10.0.0.1", "x-forwarded-for: 198.51.100.1|x-forwarded-for:", "198.51.100.1 header",
        "198.51.100.1" },
    /* an entry that is no address ends the walk at the hop before */
    { "X-Forwarded-For", "10.0.0.1", "x-forwarded-for: 198.51.100.1, unknown", "10.0.0.1 peer", "10.0.0.1" },
    { "X-Forwarded-For", "10.0.0.1", "x-forwarded-for: 198.51.100.1, unknown, 10.0.0.2", "10.0.0.2 header",
        "10.0.0.2" },
    { "X-Forwarded-For", "10.0.0.1", "x-forwarded-for: 198.51.100.1|x-forwarded-for: junk", "10.0.0.1 peer",
        "10.0.0.1" },
    { "X-Forwarded-For", "10.9.0.1", "x-forwarded-for: junk", "10.9.0.1 peer", "10.9.0.1" },
    /* other forwarding headers count for nothing */
    { "X-Forwarded-For", "10.0.0.1", "forwarded: for=1.1.1.1|x-real-ip: 1.1.1.2", "10.0.0.1 peer", "10.0.0.1" },
    { "X-Real-IP", "10.0.0.1", "x-forwarded-for: 1.1.1.1|x-real-ip: 198.51.100.2", "198.51.100.2 header",
        "198.51.100.2" },
    { "My-Address", "10.0.0.1", "my-address: 198.51.100.2", "198.51.100.2 header", "198.51.100.2" },
    { "peer", "10.0.0.1", "x-forwarded-for: 198.51.100.1", "10.0.0.1 peer", "10.0.0.1" },
    { "Forwarded", "10.0.0.1", "forwarded: for=1.1.1.1, for=\"[2001:db8::5]:80\";proto=http", "2001:db8::5 header",
        "2001:db8::5" },
    { "Forwarded", "10.0.0.1", "forwarded: for=198.51.100.1, for=_hidden", "10.0.0.1 peer", "10.0.0.1" },
    { "Forwarded", "10.0.0.1", "forwarded: for=198.51.100.1|forwarded: for=10.0.0.2", "198.51.100.1 header",
        "198.51.100.1" },
    { "Forwarded", "10.0.0.1", "forwarded: for=\"x, for=198.51.100.1", "198.51.100.1 header", "198.51.100.1" },
    { "Forwarded", "10.0.0.1", "forwarded: for=198.51.100.1;host=\"x;for=1.1.1.1\"", "198.51.100.1 header",
        "198.51.100.1" },
    { "Forwarded", "10.0.0.1", "forwarded: for=1.1.1.1, host=\"x;for=1.1.1.1;y\"", "10.0.0.1 peer", "10.0.0.1" },
    /* trusted callers speak for an end user */
    { "X-Forwarded-For", "192.0.2.1", "", "192.0.2.1 peer", "192.0.2.1+" },
    { "X-Forwarded-For", "192.0.2.1", "x-forwarded-for: 198.51.100.7", "198.51.100.7 header", "192.0.2.1+" },
    { "X-Forwarded-For", "192.0.2.1", "x-forwarded-for: 1.1.1.1, 198.51.100.7", "198.51.100.7 header", "192.0.2.1+" },
    { "X-Forwarded-For", "192.0.2.1", "x-forwarded-for: junk", "192.0.2.1 peer", "192.0.2.1+" },
    { "X-Forwarded-For", "10.0.0.1", "x-forwarded-for: 198.51.100.7, 192.0.2.1", "198.51.100.7 header", "192.0.2.1+" },
    { "X-Forwarded-For", "10.0.0.1", "x-forwarded-for: 198.51.100.7, 10.0.0.3, 192.0.2.1, 10.0.0.2",
        "198.51.100.7 header", "192.0.2.1+" },
    { "X-Forwarded-For", "192.0.2.1", "x-forwarded-for: 198.51.100.7, 10.0.0.3", "198.51.100.7 header", "192.0.2.1+" },
    { "X-Forwarded-For", "192.0.2.1", "x-forwarded-for: 198.51.100.7, 192.0.2.2", "198.51.100.7 header", "192.0.2.1+" },
    { "peer", "192.0.2.1", "x-forwarded-for: 198.51.100.7", "192.0.2.1 peer", "192.0.2.1+" },
    /* behind an untrusted hop nothing is believed, whoever it claims to be */
    { "X-Forwarded-For", "203.0.113.1", "x-forwarded-for: 192.0.2.1", "203.0.113.1 peer", "203.0.113.1" },
    /* a proxy that is listed as a caller too calls for itself only when nobody stands before it */
    { "X-Forwarded-For", "10.9.0.1", "", "10.9.0.1 peer", "10.9.0.1+" },
    { "X-Forwarded-For", "10.9.0.1", "x-forwarded-for: 198.51.100.7", "198.51.100.7 header", "198.51.100.7" },
    { "X-Forwarded-For", "", "x-forwarded-for: 198.51.100.7", "unknown peer", "unknown" },
};

static void
add_fields(struct message *m, const char *text)
{
    struct str rest = str_from(text), line, name, value;

    while (rest.len) {
        str_cut(rest, '|', &line, &rest);
        str_cut(line, ':', &name, &value);
        message_add(m, name, str_trim(value));
    }
}

static struct world *
world_of(const char *client_address, const char *const *more)
{
    char option[64];
    const char *env[12] = { CLUSTERS, PROXIES, CALLERS, option };

    snprintf(option, sizeof(option), "SEXTANT_CLIENT_ADDRESS=%s", client_address);
    for (unsigned i = 0; more && more[i]; i++)
        env[4 + i] = more[i];
    return fixture_world(env);
}

static enum fail
resolve(const struct world *w, const char *peer_text, const char *fields, struct arena *arena, struct caller *caller,
    struct str *error)
{
    struct addr peer = { 0 };
    struct message m;

    assert_true(!*peer_text || addr_parse(str_from(peer_text), &peer));
    message_init(&m, arena);
    add_fields(&m, fields);
    return caller_resolve(w, &peer, false, &m, caller, error);
}

static void
check_caller(const struct caller_case *c)
{
    struct world *w = world_of(c->client_address, NULL);
    struct arena arena = { 0 };
    struct caller caller;
    struct str error = STR_NONE;
    char text[ADDR_TEXT_MAX], got[128], hop[64];
    static const char *const sources[] = { "peer", "proxy", "header" };

    assert_int_equal(resolve(w, c->peer, c->fields, &arena, &caller, &error), FAIL_NONE);
    snprintf(got, sizeof(got), "%s %s", addr_print(&caller.address, -1, text), sources[caller.address_source]);
    snprintf(hop, sizeof(hop), "%s%s", addr_print(&caller.last_hop, -1, text), caller.is_trusted ? "+" : "");
    if (strcmp(got, c->address) != 0 || strcmp(hop, c->last_hop) != 0)
        fail_msg("%s, peer %s, \"%s\": expected %s through %s, got %s through %s", c->client_address, c->peer,
            c->fields, c->address, c->last_hop, got, hop);
    arena_fini(&arena);
    world_unref(w);
}

static void
test_addresses_are_read_across_trusted_hops_only(void **state)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        check_caller(&cases[i]);
}

static void
test_proxy_protocol_address_is_a_peer_like_any_other(void **state)
{
    struct world *w = world_of("X-Forwarded-For", NULL);
    struct arena arena = { 0 };
    struct message m;
    struct addr peer;
    struct caller caller;
    struct str error;

    message_init(&m, &arena);
    message_add(&m, STR("x-forwarded-for"), STR("198.51.100.7"));
    assert_true(addr_parse(STR("203.0.113.1"), &peer));
    assert_int_equal(caller_resolve(w, &peer, true, &m, &caller, &error), FAIL_NONE);
    assert_int_equal(caller.address_source, ADDRESS_PROXY_PROTOCOL);
    assert_true(addr_eq(&caller.address, &peer));
    assert_true(addr_parse(STR("10.0.0.1"), &peer));
    assert_int_equal(caller_resolve(w, &peer, true, &m, &caller, &error), FAIL_NONE);
    assert_int_equal(caller.address_source, ADDRESS_HEADER);
    arena_fini(&arena);
    world_unref(w);
}

static void
test_hints_are_those_of_trusted_callers(void **state)
{
    struct world *w = world_of("X-Forwarded-For", NULL);
    struct arena arena = { 0 };
    struct caller caller;
    struct str error;
    const char *fields =
        "x-sextant-place: US|x-sextant-cluster: eu|x-sextant-endpoint: eu/2|x-sextant-partition: europe";

    assert_int_equal(resolve(w, "192.0.2.1", fields, &arena, &caller, &error), FAIL_NONE);
    assert_string_equal(caller.place.country, "US");
    assert_int_equal(caller.place.source, PLACE_HINT);
    assert_true(str_eq(caller.hint_cluster, STR("eu")));
    assert_true(str_eq(caller.hint_endpoint, STR("eu/2")));
    assert_true(str_eq(caller.hint_partition, STR("europe")));
    assert_int_equal(resolve(w, "203.0.113.1", fields, &arena, &caller, &error), FAIL_NONE);
    assert_int_equal(caller.place.source, PLACE_NONE);
    assert_int_equal(
        caller.hint_place.len + caller.hint_cluster.len + caller.hint_endpoint.len + caller.hint_partition.len, 0);
    arena_fini(&arena);
    world_unref(w);
}

static void
test_bad_hints_are_refused_from_trusted_callers_only(void **state)
{
    static const char *const bad[] = { "x-sextant-place: XX", "x-sextant-place: Germany", "x-sextant-place: DE, US",
        "x-sextant-place: DE|x-sextant-place: US", "x-sextant-cluster: eu|x-sextant-cluster: eu" };
    struct world *w = world_of("X-Forwarded-For", NULL);
    struct arena arena = { 0 };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct str error = STR_NONE;
        struct caller caller;

        assert_int_equal(resolve(w, "192.0.2.1", bad[i], &arena, &caller, &error), FAIL_BAD_HINT);
        assert_true(error.len > 0);
        assert_int_equal(caller.address.family, 4);
        assert_int_equal(caller.place.source, PLACE_NONE);
        assert_int_equal(resolve(w, "203.0.113.1", bad[i], &arena, &caller, &error), FAIL_NONE);
    }
    arena_fini(&arena);
    world_unref(w);
}

struct place_case {
    const char *address, *hint, *place;
};

static void
check_places(struct world *w, const struct place_case *places, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct addr a = { 0 };
        struct place place;
        char text[32], got[64];

        assert_true(!*places[i].address || addr_parse(str_from(places[i].address), &a));
        caller_place(w, &a, str_from(places[i].hint), &place);
        snprintf(got, sizeof(got), "%s %s", place.source ? place.country : place_print(&place, text),
            place_source_name((enum place_source)place.source));
        if (strcmp(got, places[i].place) != 0)
            fail_msg("%s hint \"%s\": expected %s, got %s", places[i].address, places[i].hint, places[i].place, got);
    }
    world_unref(w);
}

static void
test_places_come_in_order(void **state)
{
    static const char *more[] = { "SEXTANT_OVERRIDES=198.51.100.0/24=JP,198.51.100.7=AU,10.0.0.0/8=FR",
        "SEXTANT_DEFAULT_PLACE=BR", NULL };
    static const struct place_case places[] = {
        { "198.51.100.1", "US", "US hint" },
        { "198.51.100.1", "", "JP override" },
        { "198.51.100.7", "", "AU override" },
        { "10.1.1.1", "", "FR override" },
        { "64:ff9b::198.51.100.7", "", "AU override" },
        { "203.0.113.1", "", "BR default" },
        { "", "", "BR default" },
        { "", "US", "US hint" },
    };

    check_places(world_of("peer", more), places, sizeof(places) / sizeof(*places));
}

static void
test_without_default_the_rest_is_unplaced(void **state)
{
    struct world *w = world_of("peer", NULL);
    struct addr a = { .family = 4, .bytes = { 8, 8, 8, 8 } };
    struct place place;

    caller_place(w, &a, STR_NONE, &place);
    assert_int_equal(place.source, PLACE_NONE);
    assert_string_equal(place.country, "");
    assert_false(place.has_point);
    world_unref(w);
}

/* A database that knows a public, a private and a documentation network. */
static void
write_database(char *path)
{
    struct mmdb_writer *writer = mmdb_writer_new();
    struct buf file = { 0 };
    unsigned line;
    const char *error;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_true(mmdb_writer_add(writer, STR("8.8.8.0/24,US\n10.0.0.0/8,FR\n203.0.113.0/24,JP\n"), &line, &error));
    mmdb_writer_write(writer, 1, STR("Test"), &file);
    assert_int_equal(write(fd, file.data + file.start, buf_len(&file)), buf_len(&file));
    close(fd);
    buf_fini(&file);
    mmdb_writer_free(writer);
}

static void
test_special_addresses_never_reach_the_database(void **state)
{
    static const struct place_case usual[] = { { "8.8.8.8", "", "US database" },
        { "::ffff:8.8.8.8", "", "US database" }, { "64:ff9b::8.8.8.8", "", "US database" },
        { "10.0.0.1", "", "unplaced none" }, { "203.0.113.1", "", "unplaced none" },
        { "64:ff9b::10.0.0.1", "", "unplaced none" } };
    static const struct place_case special[] = { { "10.0.0.1", "", "FR database" },
        { "203.0.113.1", "", "JP database" } };
    char path[] = "/tmp/sextant-test-XXXXXX", option[64];
    const char *more[] = { option, NULL, NULL };

    write_database(path);
    snprintf(option, sizeof(option), "SEXTANT_GEO_DB=%s", path);
    check_places(world_of("peer", more), usual, sizeof(usual) / sizeof(*usual));
    more[1] = "SEXTANT_PLACE_SPECIAL=on";
    check_places(world_of("peer", more), special, sizeof(special) / sizeof(*special));
    unlink(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_read_across_trusted_hops_only),
        cmocka_unit_test(test_proxy_protocol_address_is_a_peer_like_any_other),
        cmocka_unit_test(test_hints_are_those_of_trusted_callers),
        cmocka_unit_test(test_bad_hints_are_refused_from_trusted_callers_only),
        cmocka_unit_test(test_places_come_in_order),
        cmocka_unit_test(test_special_addresses_never_reach_the_database),
        cmocka_unit_test(test_without_default_the_rest_is_unplaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
