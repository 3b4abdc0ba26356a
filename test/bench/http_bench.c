/* SPDX-License-Identifier: Apache-2.0
 *
 * What a head costs: parsing a typical request of qdrant-client into the table, and printing it again.
 */
#include "proxy/http/h1.h"
#include "test/bench/bench.h"

enum { CALLS = 50000 };

struct exchange_of_heads {
    struct h1_parser *parser;
    struct message message;
    struct buf out;
};

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
parse(void *arg, unsigned n)
{
    struct exchange_of_heads *x = arg;

    for (unsigned i = 0; i < n; i++)
        parse_one(x->parser, &x->message);
}

static void
print(void *arg, unsigned n)
{
    struct exchange_of_heads *x = arg;

    for (unsigned i = 0; i < n; i++) {
        buf_clear(&x->out);
        h1_write_request(&x->out, &x->message);
    }
}

int
main(void)
{
    struct h1_limits limits = { .head_bytes = 32768, .head_fields = 96, .line_bytes = 8192 };
    struct arena arena = { 0 };
    struct exchange_of_heads x = { .parser = h1_parser_new(H1_REQUESTS, &limits) };

    message_init(&x.message, &arena);
    bench_time("http.parse_request", parse, &x, CALLS);
    bench_time("http.write_head", print, &x, CALLS);
    printf("# 10 fields and a body of 2 bytes; %zu bytes in, %zu out\n", sizeof(request_text) - 1, buf_len(&x.out));
    buf_fini(&x.out);
    h1_parser_free(x.parser);
    arena_fini(&arena);
    return 0;
}
