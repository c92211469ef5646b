/* A stand-in for the NVIDIA driver's library, for machines without one: the real Python binding
 * loads it as libnvidia-ml.so.1 and calls the few functions below. What it answers stands in the
 * file that JOULEPLAN_SHIM names, `struct state`, which another process writes.
 *
 * cc -shared -fPIC -o libnvidia-ml.so.1 nvml_shim.c           the energy counter is there
 * cc -DWITHOUT_COUNTER ...                                     an older driver without the function
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 8
#define SUCCESS 0
#define INVALID_ARGUMENT 2
#define NOT_SUPPORTED 3
#define NOT_FOUND 6
#define INSUFFICIENT_SIZE 7
#define UNKNOWN 999

struct gpu {
  uint64_t energy_mj;
  uint32_t power_mw;
  uint32_t processes;
};

struct state {
  uint32_t count;
  uint32_t counter_supported;
  struct gpu gpus[MOST];
};

struct process {
  unsigned int pid;
  unsigned long long used_memory;
  unsigned int gpu_instance, compute_instance;
};

static int read_state(struct state *state) {
  const char *path = getenv("JOULEPLAN_SHIM");
  int file = path == NULL ? -1 : open(path, O_RDONLY);
  if (file < 0) return UNKNOWN;
  ssize_t got = pread(file, state, sizeof *state, 0);
  close(file);
  return got == sizeof *state && state->count <= MOST ? SUCCESS : UNKNOWN;
}

static int gpu_of(void *handle, struct state *state, struct gpu **gpu) {
  int status = read_state(state);
  if (status != SUCCESS) return status;
  uintptr_t index = (uintptr_t)handle - 1;
  if (index >= state->count) return INVALID_ARGUMENT;
  *gpu = &state->gpus[index];
  return SUCCESS;
}

static int text(const char *said, char *buffer, unsigned int length) {
  if (strlen(said) + 1 > length) return INSUFFICIENT_SIZE;
  strcpy(buffer, said);
  return SUCCESS;
}

int nvmlInitWithFlags(unsigned int flags) { struct state state; return read_state(&state); }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(int status) {
  switch (status) {
    case SUCCESS: return "Success";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case NOT_FOUND: return "Not Found";
    default: return "Unknown Error";
  }
}

int nvmlDeviceGetCount_v2(unsigned int *count) {
  struct state state;
  int status = read_state(&state);
  if (status == SUCCESS) *count = state.count;
  return status;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **handle) {
  struct state state;
  int status = read_state(&state);
  if (status != SUCCESS) return status;
  if (index >= state.count) return INVALID_ARGUMENT;
  *handle = (void *)(uintptr_t)(index + 1);
  return SUCCESS;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
  if (strncmp(uuid, "GPU-SHIM-", 9) != 0) return NOT_FOUND;
  return nvmlDeviceGetHandleByIndex_v2((unsigned int)atoi(uuid + 9), handle);
}

int nvmlDeviceGetName(void *handle, char *name, unsigned int length) {
  return text("Simulated GPU", name, length);
}

int nvmlSystemGetDriverVersion(char *version, unsigned int length) {
  return text("0.0 (shim)", version, length);
}

/* Zeus asks for it: Volta and later have the energy counter. */
int nvmlDeviceGetArchitecture(void *handle, unsigned int *architecture) {
  *architecture = 9; /* Hopper */
  return SUCCESS;
}

#ifndef WITHOUT_COUNTER
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *energy_mj) {
  struct state state;
  struct gpu *gpu;
  int status = gpu_of(handle, &state, &gpu);
  if (status != SUCCESS) return status;
  if (!state.counter_supported) return NOT_SUPPORTED;
  *energy_mj = gpu->energy_mj;
  return SUCCESS;
}
#endif

int nvmlDeviceGetPowerUsage(void *handle, unsigned int *power_mw) {
  struct state state;
  struct gpu *gpu;
  int status = gpu_of(handle, &state, &gpu);
  if (status == SUCCESS) *power_mw = gpu->power_mw;
  return status;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned int *count,
                                            struct process *processes) {
  struct state state;
  struct gpu *gpu;
  int status = gpu_of(handle, &state, &gpu);
  if (status != SUCCESS) return status;
  unsigned int room = *count;
  *count = gpu->processes;
  if (room < gpu->processes || (gpu->processes && processes == NULL))
    return gpu->processes ? INSUFFICIENT_SIZE : SUCCESS;
  for (unsigned int i = 0; i < gpu->processes; i++) {
    memset(&processes[i], 0, sizeof processes[i]);
    processes[i].pid = 1000 + i;
  }
  return SUCCESS;
}
