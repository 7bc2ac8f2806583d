#include <stdio.h>
#include <string.h>
#include <suntap.h>

#include "ram_store.h" // for a first try: it forgets its counters when the program ends

int main(void)
{
    static const suntap_key_t key = {{0}}; // the key of a new chip
    static struct ram_store ram;
    static suntap_verifier_t verifier;
    const suntap_store_t store = {&ram, ram_store_advance};
    const char *layout = "https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}";
    const suntap_settings_t settings = {
        .scheme = "aes", .url_template = layout, .meta_read_key = &key, .file_read_key = &key};
    suntap_why_t why;
    suntap_tap_t tap;
    if (suntap_verifier_init(&verifier, sizeof verifier, &settings, &why) != 0)
        return fprintf(stderr, "settings: %s\n", why.text), 1;

    char url[512]; // one URL in each line of the standard input
    while (fgets(url, sizeof url, stdin) != NULL) {
        if (suntap_admit(&verifier, url, strcspn(url, "\n"), &store, 0, &tap, &why) == SUNTAP_FRESH)
            printf("genuine and new: counter %u\n", (unsigned)tap.ctr);
        else
            printf("refused: %s\n", why.text); // for your log, not for the client
    }
    suntap_verifier_wipe(&verifier);
    return 0;
}
