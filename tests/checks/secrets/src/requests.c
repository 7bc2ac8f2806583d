/* Requests to valgrind: mark memory as secret (uninitialised) or as public. */
#include <stddef.h>
#include <valgrind/memcheck.h>

void make_secret(const void *bytes, size_t len) { VALGRIND_MAKE_MEM_UNDEFINED(bytes, len); }
void make_public(const void *bytes, size_t len) { VALGRIND_MAKE_MEM_DEFINED(bytes, len); }
int under_valgrind(void) { return RUNNING_ON_VALGRIND; }
