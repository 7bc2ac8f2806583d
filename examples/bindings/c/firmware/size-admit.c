/* Verifies one tap, to measure the size of the library. */
#include "../test/ram_store.h"
#include "start.h"

static suntap_verifier_t verifier;
static struct ram_store ram;
static suntap_tap_t tap;
/* The compiler does not know the content of volatile variables, so it cannot remove any branch of the library. */
static const char *volatile scheme = "aes";
static const char *volatile url_template = "https://ntag.nxp.com/424?e={picc}&c={mac}";
static const char *volatile url = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
static volatile size_t url_len = 78;

int run(void)
{
    static const suntap_key_t key = {{0}};
    const suntap_store_t store = {&ram, ram_store_advance};
    suntap_settings_t settings = {.scheme = scheme, .url_template = url_template};
    settings.meta_read_key = &key;
    settings.file_read_key = &key;
    if (suntap_verifier_init(&verifier, sizeof verifier, &settings, NULL) != 0)
        return 0;
    return suntap_admit(&verifier, url, url_len, &store, 0, &tap, NULL) == 0;
}
