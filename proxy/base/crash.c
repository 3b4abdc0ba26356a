/* SPDX-License-Identifier: Apache-2.0
 *
 * What runs in the handler is safe there: no allocation, no lock, no stdio. glibc walks the stack (its unwinder is loaded
 * beforehand) and names what other libraries export; our own functions, the static ones too, are looked up in the symbol table of
 * the program's file, which is mapped at the start. A fault inside the handler takes the signal's usual course.
 */
#include "proxy/base/crash.h"

#include <elf.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/base/mem.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_WATCHED true
#else
#define IS_WATCHED false
#endif

enum { FRAMES = 64, STACK_BYTES = 64 * 1024, TEXT_BYTES = 512, BUILD_ID_BYTES = 64 };

static struct {
    const char *version;
    char build_id[BUILD_ID_BYTES + 1];
    uintptr_t bias, end; /* where the program is loaded */
    const char *file;    /* its file, mapped; NULL: not to be had */
    size_t file_size;
    const ElfW(Sym) * symbols;
    size_t n_symbols;
    const char *names;
    size_t names_size;
} self;

/* --- the report -------------------------------------------------------------------------------------------------- */

struct text {
    char bytes[TEXT_BYTES];
    size_t len;
};

static void
put(struct text *t, const char *s)
{
    while (*s && t->len < sizeof(t->bytes))
        t->bytes[t->len++] = *s++;
}

static void
put_number(struct text *t, uint64_t n, unsigned base)
{
    char digits[24];
    size_t at = sizeof(digits);

    digits[--at] = '\0';
    do
        digits[--at] = "0123456789abcdef"[n % base];
    while ((n /= base) != 0);
    put(t, base == 16 ? "0x" : "");
    put(t, digits + at);
}

static void
flush(struct text *t)
{
    while (write(STDERR_FILENO, t->bytes, t->len) < 0 && errno == EINTR)
        ; /* whatever else is wrong, there is nowhere left to tell */
    t->len = 0;
}

static const char *
signal_name(int signal)
{
    const char *name = sigabbrev_np(signal);

    return name ? name : "?";
}

/* The function of our own that an address lies in; NULL: none. */
static const ElfW(Sym) * find_symbol(uintptr_t address)
{
    uintptr_t at = address - self.bias;

    for (size_t i = 0; i < self.n_symbols; i++) {
        const ElfW(Sym) *s = &self.symbols[i];

        if (ELF64_ST_TYPE(s->st_info) == STT_FUNC && s->st_name < self.names_size && at >= s->st_value &&
            at - s->st_value < s->st_size)
            return s;
    }
    return NULL;
}

static void
print_frame(unsigned number, void *frame)
{
    struct text t = { .len = 0 };
    uintptr_t address = (uintptr_t)frame;
    /* A return address may lie behind the end of a function that never returns: the call is before it. */
    const ElfW(Sym) *s = address > self.bias && address < self.end ? find_symbol(address - 1) : NULL;

    put(&t, "  #");
    put_number(&t, number, 10);
    put(&t, " ");
    if (!s) {
        flush(&t);
        backtrace_symbols_fd(&frame, 1, STDERR_FILENO);
        return;
    }
    put(&t, self.names + s->st_name);
    put(&t, "+");
    put_number(&t, address - self.bias - s->st_value, 16);
    put(&t, " [");
    put_number(&t, address - self.bias, 16);
    put(&t, "]\n");
    flush(&t);
}

static void
print_head(int signal, const siginfo_t *info)
{
    struct text t = { .len = 0 };
    char thread[16] = "";

    prctl(PR_GET_NAME, thread);
    put(&t, "\nsextant ");
    put(&t, self.version);
    put(&t, " crashed: SIG");
    put(&t, signal_name(signal));
    if (info->si_code > 0 && signal != SIGABRT) {
        put(&t, " at address ");
        put_number(&t, (uintptr_t)info->si_addr, 16);
    } else if (info->si_code == SI_USER) {
        put(&t, " sent by process ");
        put_number(&t, (uint64_t)info->si_pid, 10);
    }
    put(&t, ", thread ");
    put(&t, thread);
    put(&t, " (");
    put_number(&t, (uint64_t)syscall(SYS_gettid), 10);
    put(&t, "), build ");
    put(&t, self.build_id[0] ? self.build_id : "unknown");
    put(&t, "\n");
    flush(&t);
}

/* The disposition is the usual one by now (SA_RESETHAND): raised again, the signal comes when this returns. */
static void
on_crash(int signal, siginfo_t *info, void *context)
{
    void *frames[FRAMES];
    int n;

    print_head(signal, info);
    n = backtrace(frames, FRAMES);
    for (int i = 0; i < n; i++)
        print_frame((unsigned)i, frames[i]);
    if (getpid() == 1 && info->si_code <= 0)
        _exit(128 + signal); /* no signal that is sent ends the first process of a container; only a fault does */
    raise(signal);
}

/* --- beforehand -------------------------------------------------------------------------------------------------- */

static void
take_build_id(const ElfW(Nhdr) * note, size_t size)
{
    const char *bytes = (const char *)note;

    while (size >= sizeof(*note)) {
        size_t name = (note->n_namesz + 3U) & ~(size_t)3, text = (note->n_descsz + 3U) & ~(size_t)3;
        const unsigned char *id = (const unsigned char *)note + sizeof(*note) + name;

        if (size < sizeof(*note) + name + text)
            return;
        for (size_t i = 0; note->n_type == NT_GNU_BUILD_ID && i < note->n_descsz && i < BUILD_ID_BYTES / 2; i++) {
            self.build_id[2 * i] = "0123456789abcdef"[id[i] >> 4];
            self.build_id[2 * i + 1] = "0123456789abcdef"[id[i] & 15];
        }
        size -= sizeof(*note) + name + text;
        bytes += sizeof(*note) + name + text;
        note = (const ElfW(Nhdr) *)(const void *)bytes;
    }
}

/* The first that is told of is the program itself. */
static int
on_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    self.bias = info->dlpi_addr;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type == PT_LOAD && self.bias + p->p_vaddr + p->p_memsz > self.end)
            self.end = self.bias + p->p_vaddr + p->p_memsz;
        if (p->p_type == PT_NOTE && p->p_align == 4)
            take_build_id((const ElfW(Nhdr) *)(self.bias + p->p_vaddr), p->p_memsz);
    }
    return 1;
}

static bool
is_inside(uint64_t offset, uint64_t size)
{
    return offset <= self.file_size && size <= self.file_size - offset;
}

/* All functions, or, in a program that was stripped, those that are exported. */
static void
find_symbols(void)
{
    const ElfW(Ehdr) *head = (const ElfW(Ehdr) *)(const void *)self.file;
    const ElfW(Shdr) *sections = (const ElfW(Shdr) *)(const void *)(self.file + head->e_shoff);

    if (!is_inside(head->e_shoff, (uint64_t)head->e_shnum * sizeof(*sections)))
        return;
    for (unsigned i = 0; i < head->e_shnum; i++) {
        const ElfW(Shdr) *s = &sections[i], *names;
        bool is_better = s->sh_type == SHT_SYMTAB || (s->sh_type == SHT_DYNSYM && !self.symbols);

        if (!is_better || s->sh_link >= head->e_shnum || !is_inside(s->sh_offset, s->sh_size))
            continue;
        names = &sections[s->sh_link];
        if (!is_inside(names->sh_offset, names->sh_size))
            continue;
        self.symbols = (const ElfW(Sym) *)(const void *)(self.file + s->sh_offset);
        self.n_symbols = s->sh_size / sizeof(*self.symbols);
        self.names = self.file + names->sh_offset;
        self.names_size = names->sh_size;
    }
}

static void
map_file(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *file;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_size > (off_t)sizeof(ElfW(Ehdr))) {
        file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (file != MAP_FAILED) {
            self.file = file;
            self.file_size = (size_t)st.st_size;
            find_symbols();
        }
    }
    close(fd);
}

void *
crash_stack_begin(void)
{
    stack_t stack = { .ss_sp = mem_alloc(STACK_BYTES), .ss_size = STACK_BYTES };

    sigaltstack(&stack, NULL);
    return stack.ss_sp;
}

void
crash_stack_end(void *stack)
{
    stack_t none = { .ss_flags = SS_DISABLE };

    sigaltstack(&none, NULL);
    mem_free(stack);
}

void
crash_init(const char *version)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    static char stack[STACK_BYTES];
    stack_t own = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND };
    void *frame;

    self.version = version;
    if (IS_WATCHED)
        return; /* the sanitizers tell more */
    dl_iterate_phdr(on_object, NULL);
    map_file();
    backtrace(&frame, 1); /* loads the unwinder, which allocates */
    sigaltstack(&own, NULL);
    action.sa_sigaction = on_crash;
    sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
}
