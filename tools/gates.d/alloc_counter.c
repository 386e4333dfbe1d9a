// Preloaded behind a hook library: counts every allocation of the process, from its first
// instruction. The loader and libc allocate through these names too, so a dlsym or getenv that
// allocates is seen.
#include <stddef.h>

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

unsigned long gate_allocations;

static void count(void) { __atomic_add_fetch(&gate_allocations, 1, __ATOMIC_RELAXED); }

void* malloc(size_t size) { return count(), __libc_malloc(size); }
void* calloc(size_t n, size_t size) { return count(), __libc_calloc(n, size); }
void* realloc(void* block, size_t size) { return count(), __libc_realloc(block, size); }
void* memalign(size_t alignment, size_t size) { return count(), __libc_memalign(alignment, size); }
void* aligned_alloc(size_t alignment, size_t size) {
  return count(), __libc_memalign(alignment, size);
}
int posix_memalign(void** block, size_t alignment, size_t size) {
  count();
  *block = __libc_memalign(alignment, size);
  return *block == NULL ? 12 : 0;  // ENOMEM
}
