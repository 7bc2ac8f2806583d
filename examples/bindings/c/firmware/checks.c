/* Runs the checks of the C API on a microcontroller, and measures the stack of a verification. */
#include "../test/checks.h"
#include "../test/ram_store.h"
#include "start.h"

const char *fenced(const char *text, size_t len)
{
    /* There are no guard pages. */
    (void)len;
    return text;
}

static suntap_verifier_t verifier;
static struct ram_store ram;
static suntap_tap_t tap;

/* Prints the stack of a verification, and of making its verifier. Returns 1 if the tap is accepted. */
static int measure(const char *mode, const struct tap_case *given)
{
    size_t len = 0;
    while (given->url[len] != 0)
        len++;
    ram.count = 0;
    stack_paint();
    int is_ok = make_verifier(given, &verifier, NULL) == 0;
    uint32_t init = stack_used();
    const suntap_store_t store = {&ram, ram_store_advance};
    stack_paint();
    is_ok = is_ok && suntap_admit(&verifier, given->url, len, &store, 0, &tap, NULL) == 0;
    uint32_t admit = stack_used();
    say("figure: stack init-");
    say(mode);
    say_number(" ", init);
    say("\nfigure: stack admit-");
    say(mode);
    say_number(" ", admit);
    say("\n");
    return is_ok;
}

int run(void)
{
    stack_paint();
    unsigned failures = run_checks();
    return failures == 0 && measure("aes", SAMPLE) && measure("lrp", lrp_sample());
}
