/* SPDX-License-Identifier: Apache-2.0
 *
 * geodb -o OUT.mmdb [-e EPOCH] [-t TYPE] FILE...   makes a MaxMind database from text ranges (see geoip/mmdb_writer.h)
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "geoip/mmdb_writer.h"
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"

static bool
read_all(const char *path, struct buf *out)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;

    while (n > 0) {
        n = read(fd, buf_reserve(out, 1 << 16), 1 << 16);
        if (n > 0)
            buf_commit(out, (size_t)n);
    }
    if (n < 0)
        fprintf(stderr, "geodb: %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return n == 0;
}

static bool
add_file(struct mmdb_writer *w, const char *path)
{
    struct buf text = { 0 };
    const char *error = NULL;
    unsigned line = 0;
    bool ok = read_all(path, &text);

    if (ok && !mmdb_writer_add(w, buf_str(&text), &line, &error)) {
        fprintf(stderr, "geodb: %s:%u: %s\n", path, line, error);
        ok = false;
    }
    buf_fini(&text);
    return ok;
}

/* Under another name first, so that a reader never sees half a file. */
static bool
write_file(const char *path, struct str content)
{
    char temporary[PATH_MAX];
    int fd;
    bool ok;

    snprintf(temporary, sizeof(temporary), "%s.new", path);
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ok = fd >= 0;
    while (ok && content.len) {
        ssize_t n = write(fd, content.p, content.len);

        ok = n > 0;
        content = str_skip(content, ok ? (size_t)n : 0);
    }
    ok = ok && fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0)
        ok = false;
    ok = ok && rename(temporary, path) == 0;
    if (!ok)
        fprintf(stderr, "geodb: %s: %s\n", path, strerror(errno));
    return ok;
}

int
main(int argc, char **argv)
{
    struct mmdb_writer *w = mmdb_writer_new();
    const char *out_path = NULL, *type = "Sextant-Country";
    uint64_t epoch = (uint64_t)(clock_wall_us() / USEC_PER_SEC);
    struct buf out = { 0 };
    bool ok = true;
    int option;

    while ((option = getopt(argc, argv, "o:e:t:")) != -1) {
        if (option == 'o')
            out_path = optarg;
        else if (option == 't')
            type = optarg;
        else if (option != 'e' || !str_to_u64(str_from(optarg), &epoch) || epoch == 0)
            ok = false;
    }
    if (!ok || !out_path || optind == argc) {
        fputs("usage: geodb -o OUT.mmdb [-e EPOCH] [-t TYPE] FILE... (- is standard input)\n", stderr);
        return 2;
    }
    for (int i = optind; i < argc && ok; i++)
        ok = add_file(w, argv[i]);
    if (ok) {
        mmdb_writer_write(w, epoch, str_from(type), &out);
        ok = write_file(out_path, buf_str(&out));
    }
    buf_fini(&out);
    mmdb_writer_free(w);
    return ok ? 0 : 1;
}
