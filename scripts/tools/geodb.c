/* SPDX-License-Identifier: Apache-2.0
 *
 * geodb -o OUT.mmdb [-g] [-e EPOCH] [-t TYPE] [FILE...]   makes a MaxMind database from text ranges (see
 * geoip/mmdb_writer.h); without files from standard input. EPOCH is the age of the data in seconds since 1970, by default now.
 * -g: records of GeoIP2's form (country.iso_code instead of country_code), for other readers; Sextant reads both. Exit code 1: a file
 * could not be read, written or understood, and OUT is as it was; 2: wrong arguments.
 */
#include <assert.h>
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
        else if (n < 0 && errno == EINTR)
            n = 1;
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

static bool
write_all(int fd, struct str content)
{
    assert(content.p || content.len == 0);
    while (content.len) {
        ssize_t n = write(fd, content.p, content.len);

        if (n < 0 && errno != EINTR)
            return false;
        content = str_skip(content, n > 0 ? (size_t)n : 0);
    }
    return fsync(fd) == 0;
}

/* Under another name first, so that a reader never sees half a file, nor a failure leaves one. */
static bool
write_file(const char *path, struct str content)
{
    char temporary[PATH_MAX];
    int length = snprintf(temporary, sizeof(temporary), "%s.%ld.new", path, (long)getpid()), fd = -1,
        why = ENAMETOOLONG;
    bool ok = length < (int)sizeof(temporary);

    if (ok)
        fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    ok = ok && fd >= 0 && write_all(fd, content) && rename(temporary, path) == 0;
    if (!ok) {
        why = length < (int)sizeof(temporary) ? errno : why;
        fprintf(stderr, "geodb: %s: %s\n", path, strerror(why));
    }
    if (fd >= 0) {
        if (!ok)
            unlink(temporary);
        close(fd);
    }
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

    while ((option = getopt(argc, argv, "o:e:t:g")) != -1) {
        if (option == 'o')
            out_path = optarg;
        else if (option == 't')
            type = optarg;
        else if (option == 'g')
            mmdb_writer_set_geoip2(w);
        else if (option != 'e' || !str_to_u64(str_from(optarg), &epoch) || epoch == 0 || epoch > INT64_MAX)
            ok = false;
    }
    if (!ok || !out_path || strlen(type) > MMDB_TYPE_MAX) {
        fputs("usage: geodb -o OUT.mmdb [-g] [-e EPOCH] [-t TYPE] [FILE...]   (none or -: standard input)\n", stderr);
        mmdb_writer_free(w);
        return 2;
    }
    if (optind == argc)
        ok = add_file(w, "-");
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
