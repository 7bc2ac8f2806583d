#include <stdio.h>
#include <string.h>
#include <suntap.h>

#include "ram_store.h" // for a first try: it forgets its counters when the program ends

static const char LAYOUT[] = "https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}";
static const suntap_key_t KEY = {{0}}; // the key of a new chip
static struct ram_store ram;
static const suntap_store_t STORE = {&ram, ram_store_advance};
static suntap_verifier_t verifier;

int main(void)
{
    char url[512];
    suntap_why_t why = {{0}}; // a wrong size is reported without a text
    suntap_tap_t tap;
    suntap_settings_t settings = {
        .scheme = "aes", .url_template = LAYOUT, .meta_read_key = &KEY, .file_read_key = &KEY};
    if (suntap_verifier_init(&verifier, sizeof verifier, &settings, &why) != 0)
        return fprintf(stderr, "settings: %s\n", why.text), 1;
    while (fgets(url, sizeof url, stdin) != NULL) {
        if (suntap_admit(&verifier, url, strcspn(url, "\n"), &STORE, 0, &tap, &why) == SUNTAP_FRESH)
            printf("genuine and new: counter %u\n", (unsigned)tap.ctr);
        else
            printf("refused: %s\n", why.text); // for your log, not for the client
    }
    suntap_verifier_wipe(&verifier);
}
