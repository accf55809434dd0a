/*
 * A plugin of qemu's user emulation that counts the instructions of a program, all its threads together, and appends the sum to the file that the variable
 * INSTRUCTIONS names. Needs Debian's qemu-user; qemu-user-static takes no plugins.
 *
 *     gcc -O2 -shared -fPIC -o instructions.so packaging/cross/instructions.c
 *     INSTRUCTIONS=sums qemu-arm -plugin ./instructions.so -cpu cortex-a7 dist/armv6/kinegraf --dry-run <lines >/dev/null
 *
 * The declarations are those of version 1 of qemu's interface, since Debian has no header of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct qemu_plugin_tb;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*translated)(uint64_t id, struct qemu_plugin_tb *block));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, void (*executed)(unsigned thread, void *data), int flags, void *data);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*ended)(uint64_t id, void *data), void *data);

int qemu_plugin_version = 1;

enum { THREADS_MAX = 64 };
/* A cache line each: threads count without waiting for each other. */
static struct { uint64_t sum, apart[7]; } threads[THREADS_MAX];

static void executed(unsigned thread, void *instructions) {
    threads[thread % THREADS_MAX].sum += (uintptr_t)instructions;
}

static void translated(uint64_t id, struct qemu_plugin_tb *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, 0, (void *)qemu_plugin_tb_n_insns(block));
}

static void ended(uint64_t id, void *data) {
    (void)id, (void)data;
    uint64_t sum = 0;
    for (int i = 0; i < THREADS_MAX; i++) sum += threads[i].sum;
    const char *path = getenv("INSTRUCTIONS");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file) abort();
    fprintf(file, "%" PRIu64 "\n", sum);
    fclose(file);
}

int qemu_plugin_install(uint64_t id, const void *machine, int count, char **arguments) {
    (void)machine, (void)count, (void)arguments;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
