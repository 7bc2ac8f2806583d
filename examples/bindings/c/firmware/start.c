/* Starts a Cortex-M3 (Stellaris LM3S6965, as in QEMU's lm3s6965evb), and writes text by semihosting. */
#include "start.h"

extern uint32_t ld_data_load, ld_data_start, ld_data_end, ld_bss_start, ld_bss_end, ld_stack_top;

static uint32_t semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void say(const char *text)
{
    semihosting(0x04, text);
}

void leave(int is_ok)
{
    /* ADP_Stopped_ApplicationExit, or ADP_Stopped_RunTimeErrorUnknown. */
    semihosting(0x18, (const void *)(uintptr_t)(is_ok ? 0x20026 : 0x20023));
    for (;;)
        ;
}

void reset(void)
{
    const uint32_t *from = &ld_data_load;
    for (uint32_t *to = &ld_data_start; to != &ld_data_end; to++)
        *to = *from++;
    for (volatile uint32_t *to = &ld_bss_start; to != &ld_bss_end; to++)
        *to = 0;
    leave(run());
}

/* A panic of the library ends here, because it executes an undefined instruction. */
static void fault(void)
{
    say("fault\n");
    leave(0);
}

__attribute__((section(".vectors"), used)) static void (*const VECTORS[16])(void) = {
    (void (*)(void))(uintptr_t)&ld_stack_top, reset, fault, fault, fault, fault, fault, fault,
    fault, fault, fault, fault, fault, fault, fault, fault,
};

/* The stack grows down to the end of the static data. */
#define PAINT 0x5AFE5AFEu

static uint32_t *stack_pointer(void)
{
    uint32_t *at;
    __asm__ volatile("mov %0, sp" : "=r"(at));
    return at;
}

void stack_paint(void)
{
    for (volatile uint32_t *word = &ld_bss_end; word < stack_pointer(); word++)
        *word = PAINT;
}

uint32_t stack_used(void)
{
    const volatile uint32_t *word = &ld_bss_end;
    while (*word == PAINT)
        word++;
    return (uint32_t)((uintptr_t)stack_pointer() - (uintptr_t)word);
}

int stack_contains(const uint8_t *bytes, uint32_t len)
{
    const volatile uint8_t *end = (const volatile uint8_t *)stack_pointer();
    for (const volatile uint8_t *at = (const volatile uint8_t *)&ld_bss_end; at + len <= end; at++) {
        uint32_t same = 0;
        while (same < len && at[same] == bytes[same])
            same++;
        if (same == len)
            return 1;
    }
    return 0;
}
