/* SPDX-License-Identifier: Apache-2.0
 *
 * Arguments and subcommands. Exit codes: 0 done, 1 something was in the way, 2 the configuration or the command line is wrong.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/admin/explain_query.h"
#include "proxy/ctl/ctl.h"
#include "proxy/base/crash.h"
#include "proxy/base/crash_point.h"
#include "proxy/base/rule_off.h"
#include "proxy/server/server.h"
#include "proxy/store/tool.h"

extern char **environ;

static const char *program_name;

static void
print(FILE *to, struct buf *text)
{
    if (buf_len(text))
        fwrite(buf_str(text).p, 1, buf_len(text), to);
    buf_fini(text);
}

/* The world as the environment describes it, all that is wrong or doubtful told on standard error. */
static struct world *
load(void)
{
    struct arena arena = { 0 };
    struct conf_issues issues = { .arena = &arena };
    struct world *w = world_load(environ, 1, &issues);
    struct buf text = { 0 };

    conf_issues_print(&issues, &text);
    print(stderr, &text);
    if (!w)
        fprintf(
            stderr, "sextant: %u mistake%s in the configuration\n", issues.n_errors, issues.n_errors == 1 ? "" : "s");
    arena_fini(&arena);
    return w;
}

/* The file that SIGUSR2 starts: as it was called, so that a link that leads elsewhere by then is followed; the file itself
 * when that is no path to it. */
static const char *
program(void)
{
    static char path[PATH_MAX];
    struct stat mine, called;
    ssize_t n;

    if (strchr(program_name, '/') && stat("/proc/self/exe", &mine) == 0 && stat(program_name, &called) == 0 &&
        mine.st_ino == called.st_ino && mine.st_dev == called.st_dev) {
        const char *dir = program_name[0] == '/' ? "" : getcwd(path, sizeof(path));
        size_t len = dir ? strlen(dir) : sizeof(path);

        if (len + strlen(program_name) + 2 <= sizeof(path)) {
            snprintf(path + len, sizeof(path) - len, "%s%s", len ? "/" : "", program_name);
            return path;
        }
    }
    n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    return path;
}

/* "--successor FD [--kept]" is how a process starts the next one. */
static int
serve(int argc, char **argv)
{
    struct server_start how = { .environ = environ, .program = program(), .predecessor_fd = -1 };
    struct world *w;
    uint64_t fd;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--kept") == 0) {
            how.is_kept = true;
        } else if (strcmp(argv[i], "--successor") == 0 && i + 1 < argc && str_to_u64(str_from(argv[i + 1]), &fd) &&
                   fd <= INT_MAX && fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0) {
            how.predecessor_fd = (int)fd;
            i++;
        } else {
            fprintf(stderr, "sextant serve: %s is not understood; it takes no arguments\n", argv[i]);
            return 2;
        }
    }
    w = load();
    return w ? server_run(w, &how) : 2;
}

static int
check(int argc, char **argv)
{
    struct world *w = load();
    struct buf out = { 0 };

    if (!w)
        return 2;
    buf_add(&out, STR("# effective configuration; SEXTANT_ENV_FILE can read it back\n"));
    conf_print_env(w->conf, &out);
    buf_add(&out, STR("\n# who is served from where\n# "));
    struct buf table = { 0 };
    struct str rest, line;

    partition_map_print_table(w->map, w->topology, &table);
    for (rest = buf_str(&table); rest.len;) {
        str_cut(rest, '\n', &line, &rest);
        buf_printf(&out, STR_FMT "\n%s", STR_ARG(line), rest.len ? "# " : "");
    }
    buf_fini(&table);
    print(stdout, &out);
    world_unref(w);
    return 0;
}

struct explain_option {
    const char *name;
    struct str *value;
};

/* --name value or --name=value into q. False after saying what is wrong. */
static bool
parse_explain(int argc, char **argv, struct explain_query *q)
{
    struct explain_option options[] = { { "--ip", &q->ip }, { "--place", &q->place }, { "--method", &q->method },
        { "--path", &q->path }, { "--collection", &q->collection }, { "--body", &q->body } };
    enum { N = sizeof(options) / sizeof(options[0]) };

    for (int i = 0; i < argc; i++) {
        struct str name, value;
        bool has_value = str_cut(str_from(argv[i]), '=', &name, &value);
        unsigned at = 0;

        if (str_eq(name, STR("--json")) || str_eq(name, STR("--trusted"))) {
            *(str_eq(name, STR("--json")) ? &q->json : &q->trusted) = true;
            continue;
        }
        while (at < N && !str_eq(name, str_from(options[at].name)))
            at++;
        if (at == N || (!has_value && i + 1 == argc)) {
            fprintf(stderr,
                "sextant explain: %s is not understood; expected --ip, --collection, --method, --path, --place, "
                "--body, "
                "--trusted, --json\n",
                argv[i]);
            return false;
        }
        *options[at].value = has_value ? value : str_from(argv[++i]);
    }
    return true;
}

static int
explain(int argc, char **argv)
{
    struct explain_query q = { .json = false };
    struct cluster_view views[CLUSTERS_MAX];
    struct buf out = { 0 };
    struct world *w;
    bool ok;

    if (!parse_explain(argc, argv, &q))
        return 2;
    w = load();
    if (!w)
        return 2;
    explain_fresh_views(w, views);
    ok = explain_answer(w, views, &q, &out);
    print(ok ? stdout : stderr, &out);
    world_unref(w);
    return ok ? 0 : 2;
}

static int
ctl(int argc, char **argv)
{
    return ctl_main(argc, argv, environ);
}

static int
help(int argc, char **argv)
{
    struct buf out = { 0 };

    buf_add(&out, STR("sextant " SEXTANT_VERSION ": one endpoint in front of Qdrant clusters in several regions\n\n"
                      "  sextant [serve]    serve; everything is configured by environment variables, see below\n"
                      "  sextant check      say what is wrong with the configuration, print it and the routing table\n"
                      "  sextant explain --ip IP --collection NAME [--method M] [--path P] [--place PLACE] [--json]\n"
                      "                     where a request would go and why, without sending it\n"));
    ctl_help(&out);
    journal_command_help(&out);
    buf_add(&out, STR("  sextant --help | --version\n"));
    conf_print_help(&out);
    print(stdout, &out);
    return 0;
}

static int
version(int argc, char **argv)
{
    puts("sextant " SEXTANT_VERSION "\n"
         "Default geo data: IPFire Location (CC BY-SA 4.0); country points: tzdata (public domain).");
    return 0;
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = { { "serve", serve }, { "check", check }, { "explain", explain }, { "ctl", ctl },
        { "journal", journal_command }, { "--help", help }, { "help", help }, { "-h", help },
        { "--version", version } };

    crash_init(SEXTANT_VERSION);
    if (!crash_point_arm_from(environ)) {
        fprintf(stderr, "sextant: SEXTANT_TEST_CRASH_POINT names no point\n");
        return 2;
    }
    if (!rule_off_from(environ)) {
        fprintf(stderr, "sextant: SEXTANT_TEST_WITHOUT_RULE: no rule of that name can be turned off in this build\n");
        return 2;
    }
    program_name = argc ? argv[0] : "";
    if (argc < 2)
        return serve(0, NULL);
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    }
    fprintf(stderr, "sextant: unknown command %s; sextant --help lists them\n", argv[1]);
    return 2;
}
