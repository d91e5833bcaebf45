/*
 * Preloaded into a process, it waits until the file LOSE_CONTEXT_FILE.<pid> is there, removes it and launches a kernel that writes
 * where nothing is: an illegal memory access in the process's CUDA context, as a kernel with a fault makes one.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *PTX =
    ".version 6.3\n.target sm_75\n.address_size 64\n"
    ".visible .entry lose() { .reg .u64 %a; .reg .u32 %v; mov.u64 %a, 16; mov.u32 %v, 1; st.global.u32 [%a], %v; ret; }\n";

typedef int (*any)();

static void *lose(void *file) {
    while (unlink(file) != 0) usleep(20000);
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW), *context, *module, *kernel;
    if (!cuda) return NULL;
    any retain = (any)dlsym(cuda, "cuDevicePrimaryCtxRetain"), enter = (any)dlsym(cuda, "cuCtxSetCurrent");
    any load = (any)dlsym(cuda, "cuModuleLoadData"), find = (any)dlsym(cuda, "cuModuleGetFunction");
    any launch = (any)dlsym(cuda, "cuLaunchKernel"), wait = (any)dlsym(cuda, "cuCtxSynchronize");
    int failure = retain(&context, 0);
    if (!failure) failure = enter(context);
    if (!failure) failure = load(&module, PTX);
    if (!failure) failure = find(&kernel, module, "lose");
    if (!failure) failure = launch(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL);
    fprintf(stderr, "lose-context: launched with %d, ended with %d\n", failure, wait());
    return NULL;
}

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("LOSE_CONTEXT_FILE");
    pthread_t thread;
    static char own[4096];
    if (!file) return;
    snprintf(own, sizeof own, "%s.%d", file, (int)getpid());
    pthread_create(&thread, NULL, lose, own);
}
