#ifndef START_H
#define START_H

#include <stdint.h>

/* The program. Returns 1 if it succeeded. */
int run(void);

/* Writes text for a person. */
void say(const char *text);

/* Ends the program. */
void leave(int is_ok);

/* Paints the free stack. */
void stack_paint(void);

/* Returns the bytes of stack that were used since stack_paint, below the caller. */
uint32_t stack_used(void);

/* Returns 1 if the free stack contains these bytes. */
int stack_contains(const uint8_t *bytes, uint32_t len);

#endif
