// A CUDA driver and an NVRTC that compute nothing: what a program asks of a GPU is counted, written down and
// forgotten, and what it reads back is zeros. So the time that is left is the host's own, on any machine.
//
// benches/python/host_part.py builds and uses it. NULL_DRIVER_TRACE: a file that gets a line for every launch
// (nanoseconds, kernel, cubes, copies to the device and from it until then). NULL_DRIVER_NS: how long a launch or
// a copy keeps its thread, as a driver would.
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef uint64_t Pointer;

static atomic_ullong next_address = 0x7f0000000000ULL;
static atomic_long to_device, from_device;

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void take_time(void) {
    static long cost = -1;
    if (cost < 0) {
        const char *text = getenv("NULL_DRIVER_NS");
        cost = text ? atol(text) : 0;
    }
    for (long end = now() + cost; cost && now() < end;) {}
}

int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { return *version = 13000, 0; }
int cuDeviceGetCount(int *count) { return *count = 1, 0; }
int cuDeviceGet(int *device, int number) { return *device = number, 0; }
int cuDeviceGetName(char *name, int length, int device) { return snprintf(name, length, "null driver"), 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { return *bytes = 80ULL << 30, 0; }
int cuMemGetInfo_v2(size_t *left, size_t *all) { return *left = *all = 80ULL << 30, 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { return *context = (void *)1, 0; }
int cuDevicePrimaryCtxRelease_v2(int device) { return 0; }
int cuCtxGetCurrent(void **context) { return *context = (void *)1, 0; }
int cuCtxSetCurrent(void *context) { return 0; }

// Those of an H100 that decide which kernels are chosen.
int cuDeviceGetAttribute(int *value, int which, int device) {
    switch (which) {
    case 1: case 2: case 3: *value = 1024; break;        // units of a cube, and along x and y
    case 4: *value = 64; break;                          // along z
    case 5: *value = 2147483647; break;                  // cubes along x
    case 6: case 7: *value = 65535; break;               // along y and z
    case 8: *value = 49152; break;                       // shared memory of a cube
    case 97: *value = 232448; break;                     // the same, if asked for
    case 10: *value = 32; break;                         // units of a warp
    case 16: *value = 132; break;                        // processors
    case 75: *value = 9; break;                          // compute capability 9
    case 76: *value = 0; break;                          // .0
    default: *value = 1;
    }
    return 0;
}

int cuMemAllocAsync(Pointer *address, size_t bytes, void *stream) {
    *address = atomic_fetch_add(&next_address, (bytes + 4095) & ~4095ULL);
    return 0;
}
int cuMemAlloc_v2(Pointer *address, size_t bytes) { return cuMemAllocAsync(address, bytes, 0); }
int cuMemFreeAsync(Pointer address, void *stream) { return 0; }
int cuMemFree_v2(Pointer address) { return 0; }
int cuMemAllocHost_v2(void **memory, size_t bytes) {
    *memory = aligned_alloc(4096, (bytes + 4095) & ~4095ULL);
    return *memory ? 0 : 2;
}
int cuMemFreeHost(void *memory) { return free(memory), 0; }

int cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes, void *stream) {
    to_device++;
    take_time();
    return 0;
}
int cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t bytes, void *stream) {
    from_device++;
    memset(to, 0, bytes);
    take_time();
    return 0;
}
struct Copy2D {
    size_t from_x, from_y;
    int from_type;
    const void *from_host;
    Pointer from_device;
    void *from_array;
    size_t from_pitch, to_x, to_y;
    int to_type;
    void *to_host;
    Pointer to_device;
    void *to_array;
    size_t to_pitch, width, height;
};
int cuMemcpy2DAsync_v2(const struct Copy2D *copy, void *stream) {
    if (copy->to_type == 1) {
        from_device++;
        for (size_t row = 0; row < copy->height; row++)
            memset((char *)copy->to_host + row * copy->to_pitch, 0, copy->width);
    } else {
        to_device++;
    }
    take_time();
    return 0;
}

int cuStreamCreate(void **stream, unsigned flags) { return *stream = malloc(1), 0; }
int cuStreamSynchronize(void *stream) { return 0; }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return 0; }
int cuEventCreate(void **event, unsigned flags) { return *event = malloc(1), 0; }
int cuEventRecord(void *event, void *stream) { return 0; }
int cuEventSynchronize(void *event) { return 0; }
int cuEventDestroy_v2(void *event) { return free(event), 0; }

int cuModuleLoadData(void **module, const void *image) { return *module = malloc(1), 0; }
int cuModuleGetFunction(void **function, void *module, const char *name) { return *function = strdup(name), 0; }
int cuFuncSetAttribute(void *function, int which, int value) { return 0; }
int cuTensorMapEncodeTiled(void *map) { return 0; }

int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned units_x, unsigned units_y, unsigned units_z,
                   unsigned shared, void *stream, void **arguments, void **more) {
    static FILE *trace;
    static int opened;
    if (!opened) {
        const char *path = getenv("NULL_DRIVER_TRACE");
        trace = path ? fopen(path, "w") : NULL;
        opened = 1;
    }
    if (trace) fprintf(trace, "%ld %s %u,%u,%u %ld %ld\n", now(), (char *)function, x, y, z, (long)to_device, (long)from_device);
    take_time();
    return 0;
}

int cuGetErrorName(int error, const char **text) { return *text = "an error", 0; }
int cuGetErrorString(int error, const char **text) { return *text = "an error", 0; }

int nvrtcVersion(int *major, int *minor) { return *major = 13, *minor = 0, 0; }
int nvrtcCreateProgram(void **program, const char *source, const char *name, int headers, const char **h, const char **i) {
    return *program = malloc(1), 0;
}
int nvrtcCompileProgram(void *program, int count, const char **options) { return 0; }
int nvrtcGetPTXSize(void *program, size_t *size) { return *size = 1, 0; }
int nvrtcGetPTX(void *program, char *text) { return *text = 0, 0; }
int nvrtcGetProgramLogSize(void *program, size_t *size) { return *size = 1, 0; }
int nvrtcGetProgramLog(void *program, char *text) { return *text = 0, 0; }
int nvrtcDestroyProgram(void **program) { return free(*program), 0; }
