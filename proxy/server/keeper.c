/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/server/keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "proxy/obs/log.h"

enum { BY_SIGNAL = 128 };

static void
fill(sigset_t *set)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD };

    sigemptyset(set);
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaddset(set, signals[i]);
}

void
keeper_prepare(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void
keeper_block(void)
{
    sigset_t set;

    fill(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* False when there are no children any more. */
static bool
reap(int *code)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);

        if (pid == 0)
            return true;
        if (pid < 0)
            return errno == EINTR;
        if (*code == 0)
            *code = WIFSIGNALED(status) ? BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
    }
}

int
keeper_run(pid_t group)
{
    int code = 0;
    sigset_t set;

    fill(&set);
    log_info("another process serves; this one stays for whoever waits for it, and passes signals on");
    while (reap(&code)) {
        int signal = sigwaitinfo(&set, NULL);

        if (signal > 0 && signal != SIGCHLD && kill(-group, signal) != 0)
            log_warning("signal %d cannot be passed on: %s", signal, strerrordesc_np(errno));
    }
    return code;
}
