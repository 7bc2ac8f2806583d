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

static suntap_key_t key;
static const char *const KEY = "A1A2A3A4A5A6A7A8A9AAABACADAEAFA0";

/* Returns 1 if no copy of a key is on the stack after a verifier was made and used. */
static int no_key_remains(int derived)
{
    const suntap_store_t store = {&ram, ram_store_advance};
    static suntap_settings_t settings;
    stack_paint();
    if (suntap_key_from_hex(&key, KEY, 32) != 0 || stack_contains(key.bytes, sizeof key.bytes))
        return 0;
    settings = (suntap_settings_t){.scheme = SAMPLE->scheme, .url_template = SAMPLE->url_template, .meta_read_key = &key};
    if (derived)
        settings.master_key = &key;
    else
        settings.file_read_key = &key;
    if (suntap_verifier_init(&verifier, sizeof verifier, &settings, NULL) != 0)
        return 0;
    int after_init = stack_contains(key.bytes, sizeof key.bytes);
    suntap_code_t code = suntap_admit(&verifier, SAMPLE->url, 78, &store, 0, &tap, NULL);
    int after_admit = stack_contains(key.bytes, sizeof key.bytes);
    return code == SUNTAP_NOT_AUTHENTIC && !after_init && !after_admit;
}

int run(void)
{
    stack_paint();
    unsigned failures = run_checks();
    int is_ok = no_key_remains(0) && no_key_remains(1);
    say(is_ok ? "no key remains on the stack\n" : "a key remains on the stack\n");
    return is_ok && failures == 0 && measure("aes", SAMPLE) && measure("lrp", lrp_sample());
}
