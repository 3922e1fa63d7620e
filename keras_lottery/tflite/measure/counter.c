/* A plugin for QEMU's user mode: at each marker, the instructions executed so far, a number a line, into a file.
 *
 * A marker is fsync(987654), which does nothing. Each block of translated code adds its length when it is entered.
 * Only what it needs of qemu-plugin.h is declared, so that no package need be installed for it. These parts of the
 * interface are the same from QEMU 6.0 on; PLUGIN_VERSION says which version of it the QEMU that loads this expects.
 *
 *     gcc -shared -fPIC -O2 -DPLUGIN_VERSION=1 counter.c -o counter.so
 *     qemu-aarch64 -plugin counter.so,out=counts.txt PROGRAM
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FSYNC 82 /* on aarch64 */
#define MARK 987654

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
typedef struct qemu_info_t qemu_info_t;
typedef void (*on_translate)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*on_execute)(unsigned int vcpu, void *data);
typedef void (*on_syscall)(qemu_plugin_id_t, unsigned int vcpu, int64_t number, uint64_t, uint64_t, uint64_t, uint64_t,
                           uint64_t, uint64_t, uint64_t, uint64_t);
enum registers { NO_REGISTERS };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, on_translate);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, on_execute, enum registers, void *data);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, on_syscall);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

__attribute__((visibility("default"))) int qemu_plugin_version = PLUGIN_VERSION;

static uint64_t executed;
static FILE *out;

static void execute(unsigned int vcpu, void *length) {
    executed += (uintptr_t)length; /* the program has one thread */
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    qemu_plugin_register_vcpu_tb_exec_cb(block, execute, NO_REGISTERS, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

static void syscall_(qemu_plugin_id_t id, unsigned int vcpu, int64_t number, uint64_t first, uint64_t b, uint64_t c,
                     uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    if (number == FSYNC && first == MARK) {
        fprintf(out, "%llu\n", (unsigned long long)executed);
        fflush(out);
    }
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                                               char **argv) {
    if (argc != 1 || strncmp(argv[0], "out=", 4) || !(out = fopen(argv[0] + 4, "w"))) {
        fprintf(stderr, "counter: give out=FILE, in a folder that can be written to\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_vcpu_syscall_cb(id, syscall_);
    return 0;
}
