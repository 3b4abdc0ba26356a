/* SPDX-License-Identifier: Apache-2.0
 *
 * What a head costs: parsing a typical request of qdrant-client into the table, and printing it again.
 */
#include <stdio.h>

#include "proxy/base/clock.h"
#include "proxy/http/h1.h"

enum { ROUNDS = 200000 };

static const char request_text[] = "POST /collections/products/points/query?timeout=5 HTTP/1.1\r\n"
                                   "Host: sextant.example.internal:6333\r\n"
                                   "Accept: */*\r\n"
                                   "Accept-Encoding: gzip, deflate, br, zstd\r\n"
                                   "Connection: keep-alive\r\n"
                                   "User-Agent: qdrant-client/1.15.1 python/3.12.3\r\n"
                                   "api-key: 0123456789abcdef0123456789abcdef\r\n"
                                   "Content-Type: application/json\r\n"
                                   "X-Request-Id: 6f1c1c1e-3a52-4b9c-8e02-0d3d2f5b7a11\r\n"
                                   "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
                                   "Content-Length: 2\r\n\r\n{}";

static void
parse_one(struct h1_parser *p, struct message *m)
{
    struct str rest = STR(request_text), body;
    enum h1_event event;
    enum fail fail;
    size_t used;

    arena_reset(m->arena);
    h1_reset(p, m, METHOD_OTHER);
    do {
        event = h1_parse(p, rest, &used, &body, &fail);
        rest = str_skip(rest, used);
    } while (event == H1_HEAD || event == H1_BODY);
}

static void
report(const char *what, int64_t begin_us)
{
    printf("%-40s %6.0f ns\n", what, (double)(clock_mono_us() - begin_us) * 1000 / ROUNDS);
}

int
main(void)
{
    struct h1_limits limits = { .head_bytes = 32768, .head_fields = 96, .line_bytes = 8192 };
    struct h1_parser *p = h1_parser_new(H1_REQUESTS, &limits);
    struct arena arena = { 0 };
    struct buf out = { 0 };
    struct message m;
    int64_t begin;

    message_init(&m, &arena);
    for (int warm = 0; warm < 2; warm++) {
        begin = clock_mono_us();
        for (int i = 0; i < ROUNDS; i++)
            parse_one(p, &m);
    }
    report("parse a request of 10 fields and 2 bytes", begin);
    begin = clock_mono_us();
    for (int i = 0; i < ROUNDS; i++) {
        buf_clear(&out);
        h1_write_request(&out, &m);
    }
    report("write its head", begin);
    printf("%zu bytes in, %zu out\n", sizeof(request_text) - 1, buf_len(&out));
    buf_fini(&out);
    h1_parser_free(p);
    arena_fini(&arena);
    return 0;
}
