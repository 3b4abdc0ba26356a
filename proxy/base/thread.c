/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/thread.h"

#include <signal.h>

#include "proxy/base/crash.h"
#include "proxy/base/mem.h"

struct start {
    void *(*fn)(void *arg);
    void *arg;
};

static void *
run(void *arg)
{
    struct start start = *(struct start *)arg;
    void *stack = crash_stack_begin();
    void *result;

    mem_free(arg);
    result = start.fn(start.arg);
    crash_stack_end(stack);
    return result;
}

int
thread_start(pthread_t *ret_thread, const char *name, void *(*fn)(void *arg), void *arg)
{
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
    struct start *start = MEM_NEW(struct start);
    sigset_t blocked, before;
    int error;

    *start = (struct start){ fn, arg };
    sigfillset(&blocked);
    for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        sigdelset(&blocked, own[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    error = pthread_create(ret_thread, NULL, run, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(*ret_thread, name);
    else
        mem_free(start);
    return -error;
}
