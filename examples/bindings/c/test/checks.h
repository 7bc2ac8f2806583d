/* The checks of the C API. They need no C library, so they also run on a microcontroller. */
#ifndef CHECKS_H
#define CHECKS_H

#include "suntap.h"

/* A code with its name and text, from cases.json. */
struct code_case {
    const char *name;
    int32_t number;
    const char *text;
};

/* Settings, and a tap if `url` is not NULL, with the expected result. All members are those of cases.json. */
struct tap_case {
    const char *id;
    const char *scheme;
    const char *url_template;
    const char *meta_read_key;
    const char *file_read_key;
    const char *master_key;
    const char *suffix;
    const char *url;
    const char *code;
    const char *uid;
    const char *seal;
    uint32_t ctr;
};

/* Writes text for a person. The program provides it. */
void say(const char *text);

/* Returns a copy of the text of a tap, so that a read after its end is found. The program provides it. */
const char *fenced(const char *text, size_t len);

/* Runs all checks. Returns the number of failures. */
unsigned run_checks(void);

/* Makes a verifier for a case. Returns the first code that is not 0. */
suntap_code_t make_verifier(const struct tap_case *given, suntap_verifier_t *verifier, suntap_why_t *why);

/* Says a number after a text. */
void say_number(const char *text, unsigned long number);

/* A fresh tap in AES mode. */
extern const struct tap_case *const SAMPLE;

/* Returns the first fresh tap in LRP mode. */
const struct tap_case *lrp_sample(void);

#endif
