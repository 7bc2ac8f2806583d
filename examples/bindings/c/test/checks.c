#include "checks.h"
#include "ram_store.h"

#include "cases.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct tap_case *const SAMPLE = &TAP_CASES[0];

static unsigned failures;
static unsigned checked;

static size_t length(const char *text)
{
    size_t len = 0;
    while (text[len] != 0)
        len++;
    return len;
}

static int same_text(const char *a, const char *b)
{
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static int same_bytes(const void *a, const void *b, size_t len)
{
    const uint8_t *left = a, *right = b;
    for (size_t i = 0; i < len; i++)
        if (left[i] != right[i])
            return 0;
    return 1;
}

static int is_zero(const void *bytes, size_t len)
{
    const uint8_t *byte = bytes;
    for (size_t i = 0; i < len; i++)
        if (byte[i] != 0)
            return 0;
    return 1;
}

static void fill(void *bytes, uint8_t value, size_t len)
{
    volatile uint8_t *byte = bytes;
    for (size_t i = 0; i < len; i++)
        byte[i] = value;
}

static void copy(void *to, const void *from, size_t len)
{
    volatile uint8_t *target = to;
    const uint8_t *source = from;
    for (size_t i = 0; i < len; i++)
        target[i] = source[i];
}

void say_number(const char *text, unsigned long number)
{
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    say(text);
    say(&digits[at]);
}

static void check_at(int is_right, const char *condition, const char *context, unsigned line)
{
    checked++;
    if (is_right)
        return;
    failures++;
    say_number("checks.c:", line);
    say(": wrong: ");
    say(condition);
    say(" (");
    say(context);
    say(")\n");
}

#define CHECK_FOR(context, condition) check_at((condition) != 0, #condition, (context), __LINE__)
#define CHECK(condition) CHECK_FOR("", condition)

static uint8_t nibble(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

static size_t from_hex(uint8_t *bytes, const char *hex)
{
    size_t len = length(hex) / 2;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    return len;
}

/* --- Verifiers and stores --- */

suntap_code_t make_verifier(const struct tap_case *given, suntap_verifier_t *verifier, suntap_why_t *why)
{
    const char *texts[] = {given->meta_read_key, given->file_read_key, given->master_key};
    suntap_key_t keys[3];
    uint8_t suffix[32];
    suntap_settings_t settings = {0};
    const suntap_key_t **members[] = {&settings.meta_read_key, &settings.file_read_key, &settings.master_key};

    settings.scheme = given->scheme;
    settings.url_template = given->url_template;
    for (size_t i = 0; i < 3; i++) {
        if (texts[i] == NULL)
            continue;
        suntap_code_t code = suntap_key_from_hex(&keys[i], texts[i], length(texts[i]));
        if (code != 0)
            return code;
        *members[i] = &keys[i];
    }
    if (given->suffix != NULL) {
        settings.suffix_len = from_hex(suffix, given->suffix);
        settings.suffix = suffix;
    }
    suntap_code_t code = suntap_verifier_init(verifier, sizeof *verifier, &settings, why);
    /* The verifier has copies. */
    fill(keys, 0xEE, sizeof keys);
    fill(suffix, 0xEE, sizeof suffix);
    return code;
}

const struct tap_case *lrp_sample(void)
{
    size_t i = 0;
    while (!same_text(TAP_CASES[i].scheme, "lrp") || !same_text(TAP_CASES[i].code, "fresh"))
        i++;
    return &TAP_CASES[i];
}

/* A store whose answers the test chooses. It records its arguments. */
struct scripted_store {
    int32_t answer;
    suntap_mark_t mark;
    unsigned calls;
    uint8_t id[16];
    uint32_t ctr;
    uint64_t at;
    int got_zeros;
};

static int32_t scripted_advance(void *ctx, const uint8_t *id, uint32_t ctr, uint64_t at, suntap_mark_t *stored)
{
    struct scripted_store *store = ctx;
    store->calls++;
    copy(store->id, id, 16);
    store->ctr = ctr;
    store->at = at;
    store->got_zeros = is_zero(stored, sizeof *stored);
    *stored = store->mark;
    return store->answer;
}

static suntap_verifier_t verifier;
static struct ram_store ram;
static const suntap_store_t RAM = {&ram, ram_store_advance};

static void sample_verifier(void)
{
    CHECK(make_verifier(SAMPLE, &verifier, NULL) == 0);
    ram.count = 0;
}

static suntap_code_t admit_sample(const suntap_store_t *store, uint64_t at, suntap_tap_t *tap, suntap_why_t *why)
{
    return suntap_admit(&verifier, SAMPLE->url, length(SAMPLE->url), store, at, tap, why);
}

/* --- Checks --- */

static void codes_have_names_and_texts(void)
{
    for (size_t i = 0; i < COUNT(CODE_CASES); i++) {
        CHECK(same_text(suntap_code_name(CODE_CASES[i].number), CODE_CASES[i].name));
        CHECK(same_text(suntap_code_text(CODE_CASES[i].number), CODE_CASES[i].text));
    }
    CHECK(COUNT(CODE_CASES) == 10);
    CHECK(SUNTAP_FRESH == 0);
    CHECK(same_text(suntap_code_name(SUNTAP_REPLAYED), "replayed"));
    CHECK(same_text(suntap_code_name(SUNTAP_INVALID_ARGUMENT), "invalid_argument"));
    const int32_t unknown[] = {-1, 10, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        CHECK(same_text(suntap_code_name(unknown[i]), "unknown"));
        CHECK(length(suntap_code_text(unknown[i])) > 0);
    }
}

static void versions_agree(void)
{
    CHECK(same_text(suntap_version(), SUNTAP_VERSION));
    CHECK(same_text(suntap_version(), CASES_VERSION));
}

static unsigned settings_cases(void)
{
    unsigned right = 0;
    for (size_t i = 0; i < COUNT(SETTINGS_CASES); i++) {
        const struct tap_case *given = &SETTINGS_CASES[i];
        unsigned before = failures;
        suntap_why_t why = {{0}};
        suntap_tap_t tap;
        fill(&verifier, 0, sizeof verifier);
        suntap_code_t code = make_verifier(given, &verifier, &why);
        CHECK_FOR(given->url_template, same_text(suntap_code_name(code), given->code));
        if (code != SUNTAP_INVALID_KEY)
            CHECK_FOR(given->url_template, length(why.text) > 10);
        CHECK_FOR(given->url_template, admit_sample(&RAM, 0, &tap, NULL) == SUNTAP_INVALID_ARGUMENT);
        right += before == failures;
    }
    return right;
}

static int32_t seal_of(const char *seal)
{
    if (seal == NULL)
        return SUNTAP_SEAL_NONE;
    if (same_text(seal, "closed"))
        return SUNTAP_SEAL_CLOSED;
    if (same_text(seal, "open"))
        return SUNTAP_SEAL_OPEN;
    return same_text(seal, "openedBefore") ? SUNTAP_SEAL_OPENED_BEFORE : SUNTAP_SEAL_UNKNOWN;
}

static unsigned tap_cases(unsigned *fresh)
{
    unsigned right = 0;
    for (size_t i = 0; i < COUNT(TAP_CASES); i++) {
        const struct tap_case *given = &TAP_CASES[i];
        unsigned before = failures;
        suntap_why_t why;
        suntap_tap_t tap;
        ram.count = 0;
        fill(&tap, 0xEE, sizeof tap);
        fill(&why, 0xEE, sizeof why);
        CHECK_FOR(given->id, make_verifier(given, &verifier, NULL) == 0);
        size_t len = length(given->url);
        const char *url = fenced(given->url, len);
        suntap_code_t code = suntap_admit(&verifier, url, len, &RAM, 1000, &tap, &why);
        CHECK_FOR(given->id, same_text(suntap_code_name(code), given->code));
        if (code == SUNTAP_FRESH) {
            uint8_t uid[7] = {0};
            *fresh += 1;
            CHECK_FOR(given->id, tap.ctr == given->ctr && tap.taps == 1);
            CHECK_FOR(given->id, tap.uid_len == (given->uid == NULL ? 0 : from_hex(uid, given->uid)));
            CHECK_FOR(given->id, same_bytes(tap.uid, uid, 7));
            CHECK_FOR(given->id, tap.seal == seal_of(given->seal));
            CHECK_FOR(given->id, is_zero(&tap.previous, sizeof tap.previous));
            CHECK_FOR(given->id, same_bytes(tap.counter_id, ram.tags[0].id, 16));
            CHECK_FOR(given->id, why.text[0] == 0);
            CHECK_FOR(given->id, ram.count == 1 && ram.tags[0].mark.ctr == given->ctr);
            CHECK_FOR(given->id, ram.tags[0].mark.at == 1000 && ram.tags[0].mark.taps == 1);
            code = suntap_admit(&verifier, url, len, &RAM, 2000, &tap, &why);
            CHECK_FOR(given->id, code == SUNTAP_REPLAYED && ram.tags[0].mark.at == 1000);
        }
        CHECK_FOR(given->id, is_zero(&tap, sizeof tap));
        CHECK_FOR(given->id, length(why.text) > 10 && length(why.text) < sizeof why.text);
        CHECK_FOR(given->id, code == SUNTAP_REPLAYED || ram.count == 0);
        right += before == failures;
    }
    return right;
}

static void other_forms_give_the_same_tap(void)
{
    suntap_tap_t tap, other;
    sample_verifier();
    CHECK(admit_sample(&RAM, 0, &tap, NULL) == 0);
    /* "https://" has 8 characters. The path begins at the next slash. */
    const char *target = SAMPLE->url + 8;
    while (*target != '/')
        target++;
    ram.count = 0;
    CHECK(suntap_admit_origin_form(&verifier, target, length(target), &RAM, 0, &other, NULL) == 0);
    CHECK(same_bytes(&tap, &other, sizeof tap));
    CHECK(suntap_admit_origin_form(&verifier, target, length(target), &RAM, 0, &other, NULL) == SUNTAP_REPLAYED);
    CHECK(suntap_admit(&verifier, target, length(target), &RAM, 0, &other, NULL) == SUNTAP_MALFORMED);
    size_t len = length(SAMPLE->url);
    CHECK(suntap_admit_origin_form(&verifier, SAMPLE->url, len, &RAM, 0, &other, NULL) == SUNTAP_MALFORMED);

    /* NLEN, then a short record with the type U and the prefix "https://". */
    uint8_t file[256] = {0, (uint8_t)(len - 8 + 5), 0xD1, 1, (uint8_t)(len - 8 + 1), 'U', 4};
    copy(&file[7], SAMPLE->url + 8, len - 8);
    ram.count = 0;
    CHECK(suntap_admit_ndef_file(&verifier, file, sizeof file, &RAM, 0, &other, NULL) == 0);
    CHECK(same_bytes(&tap, &other, sizeof tap));
    CHECK(suntap_admit_ndef_file(&verifier, file, sizeof file, &RAM, 0, &other, NULL) == SUNTAP_REPLAYED);
    for (size_t short_len = 0; short_len < 7 + len - 8; short_len++)
        CHECK(suntap_admit_ndef_file(&verifier, file, short_len, &RAM, 0, &other, NULL) == SUNTAP_MALFORMED);
}

static void file_data_is_decrypted(void)
{
    /* The sample of NXP AN12196 with encrypted file data. */
    size_t i = 0;
    while (!same_text(TAP_CASES[i].id, "pub-taps-0003"))
        i++;
    suntap_tap_t tap;
    ram.count = 0;
    CHECK(make_verifier(&TAP_CASES[i], &verifier, NULL) == 0);
    CHECK(suntap_admit(&verifier, TAP_CASES[i].url, length(TAP_CASES[i].url), &RAM, 0, &tap, NULL) == 0);
    CHECK(tap.file_data_len == 16 && same_bytes(tap.file_data, "xxxxxxxxxxxxxxxx", 16));
    CHECK(is_zero(&tap.file_data[16], sizeof tap.file_data - 16));
    sample_verifier();
    CHECK(admit_sample(&RAM, 0, &tap, NULL) == 0 && tap.file_data_len == 0);
}

static void changed_and_shorter_urls_are_refused(void)
{
    static char url[512];
    size_t len = length(SAMPLE->url);
    suntap_tap_t tap;
    sample_verifier();
    for (size_t short_len = 0; short_len < len; short_len++) {
        const char *text = fenced(SAMPLE->url, short_len);
        CHECK(suntap_admit(&verifier, text, short_len, &RAM, 0, &tap, NULL) == SUNTAP_MALFORMED);
    }
    const char changes[] = {'!', 0, (char)0x80, (char)0xFF};
    for (size_t at = 0; at < len; at++) {
        for (size_t i = 0; i < COUNT(changes); i++) {
            copy(url, SAMPLE->url, len);
            url[at] = changes[i];
            CHECK(suntap_admit(&verifier, url, len, &RAM, 0, &tap, NULL) == SUNTAP_MALFORMED);
        }
    }
    fill(url, 'A', sizeof url);
    CHECK(suntap_admit(&verifier, url, sizeof url, &RAM, 0, &tap, NULL) == SUNTAP_MALFORMED);
    CHECK(ram.count == 0);
}

static void store_gets_the_tap(void)
{
    struct scripted_store script = {.answer = SUNTAP_ADVANCED, .mark = {.at = 5, .ctr = SAMPLE->ctr - 1, .taps = 7}};
    suntap_store_t store = {&script, scripted_advance};
    suntap_tap_t tap;
    sample_verifier();
    CHECK(admit_sample(&store, 1763802000123u, &tap, NULL) == 0);
    CHECK(script.calls == 1 && script.got_zeros && script.ctr == SAMPLE->ctr && script.at == 1763802000123u);
    CHECK(same_bytes(script.id, tap.counter_id, 16));
    CHECK(same_bytes(&tap.previous, &script.mark, sizeof script.mark));
    CHECK(tap.taps == 8 && tap.ctr == SAMPLE->ctr);
    /* The maximum number of taps. */
    script.mark.taps = UINT32_MAX;
    CHECK(admit_sample(&store, 0, &tap, NULL) == 0);
    CHECK(tap.taps == UINT32_MAX && script.at == 0);
}

static void failing_stores_refuse_the_tap(void)
{
    struct scripted_store script = {0};
    suntap_store_t store = {&script, scripted_advance};
    suntap_tap_t tap;
    suntap_why_t why;
    sample_verifier();
    const int32_t failed[] = {SUNTAP_FAILED, 0, 1, 2, 3, 4, 5, -1, 100, 101, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < COUNT(failed); i++) {
        script.answer = failed[i];
        fill(&tap, 0xEE, sizeof tap);
        CHECK(admit_sample(&store, 0, &tap, &why) == SUNTAP_STORE_FAILED);
        CHECK(is_zero(&tap, sizeof tap) && length(why.text) > 10);
    }
    /* Marks that no store can have written: the counter is too large, or there are no taps. */
    const suntap_mark_t invalid[] = {{0, 0x1000000, 1}, {0, UINT32_MAX, 1}, {0, 5, 0}, {5, 0, 0}};
    for (size_t i = 0; i < COUNT(invalid); i++) {
        script.mark = invalid[i];
        script.answer = SUNTAP_ADVANCED;
        CHECK(admit_sample(&store, 0, &tap, NULL) == SUNTAP_STORE_FAILED);
        script.answer = SUNTAP_STALE;
        CHECK(admit_sample(&store, 0, &tap, NULL) == SUNTAP_STORE_FAILED);
    }
    /* A store that advances a counter that is not greater is wrong, but its mark shows the replay. */
    script.answer = SUNTAP_ADVANCED;
    script.mark = (suntap_mark_t){0, SAMPLE->ctr, 1};
    CHECK(admit_sample(&store, 0, &tap, NULL) == SUNTAP_REPLAYED);
    CHECK(is_zero(&tap, sizeof tap));
    script.mark.ctr = 0xFFFFFF;
    CHECK(admit_sample(&store, 0, &tap, NULL) == SUNTAP_REPLAYED);
    /* A store that does not report its mark. */
    script.answer = SUNTAP_STALE;
    script.mark = (suntap_mark_t){0};
    CHECK(admit_sample(&store, 0, &tap, NULL) == SUNTAP_REPLAYED);
}

static void forged_taps_do_not_reach_the_store(void)
{
    struct scripted_store script = {.answer = SUNTAP_ADVANCED};
    suntap_store_t store = {&script, scripted_advance};
    static char url[512];
    size_t len = length(SAMPLE->url);
    suntap_tap_t tap;
    sample_verifier();
    copy(url, SAMPLE->url, len);
    /* The last digit of the MAC. */
    url[len - 1] = url[len - 1] == '0' ? '1' : '0';
    CHECK(suntap_admit(&verifier, url, len, &store, 0, &tap, NULL) == SUNTAP_NOT_AUTHENTIC);
    CHECK(script.calls == 0);
}

static int32_t accepts_equal(void *ctx, const uint8_t *id, uint32_t ctr, uint64_t at, suntap_mark_t *stored)
{
    int32_t answer = ram_store_advance(ctx, id, ctr, at, stored);
    return answer == SUNTAP_STALE && stored->ctr == ctr ? SUNTAP_ADVANCED : answer;
}

static int32_t reports_nothing(void *ctx, const uint8_t *id, uint32_t ctr, uint64_t at, suntap_mark_t *stored)
{
    int32_t answer = ram_store_advance(ctx, id, ctr, at, stored);
    *stored = (suntap_mark_t){0};
    return answer;
}

static int32_t confuses_tags(void *ctx, const uint8_t *id, uint32_t ctr, uint64_t at, suntap_mark_t *stored)
{
    static const uint8_t all[16] = {0};
    (void)id;
    return ram_store_advance(ctx, all, ctr, at, stored);
}

static int32_t forgets_the_time(void *ctx, const uint8_t *id, uint32_t ctr, uint64_t at, suntap_mark_t *stored)
{
    (void)at;
    return ram_store_advance(ctx, id, ctr, 0, stored);
}

static int32_t accepts_everything(void *ctx, const uint8_t *id, uint32_t ctr, uint64_t at, suntap_mark_t *stored)
{
    (void)ctx, (void)id, (void)ctr, (void)at, (void)stored;
    return SUNTAP_ADVANCED;
}

static void store_check_finds_broken_stores(void)
{
    suntap_why_t why;
    ram.count = 0;
    fill(&why, 0xEE, sizeof why);
    CHECK(suntap_store_check(&RAM, 1, &why) == 0);
    CHECK(why.text[0] == 0);
    CHECK(suntap_store_check(&RAM, 2, NULL) == 0);
    /* The same run again finds old marks. */
    CHECK(suntap_store_check(&RAM, 1, &why) == SUNTAP_STORE_FAILED);
    const suntap_advance_fn broken[] = {reports_nothing, confuses_tags, forgets_the_time, accepts_everything};
    for (size_t i = 0; i < COUNT(broken); i++) {
        suntap_store_t store = {&ram, broken[i]};
        ram.count = 0;
        CHECK(suntap_store_check(&store, 1, &why) == SUNTAP_STORE_FAILED);
        CHECK(length(why.text) > 10);
    }
    /* The mark of this store shows that it is wrong, so the library refuses the replay. */
    suntap_store_t equal = {&ram, accepts_equal};
    suntap_tap_t tap;
    sample_verifier();
    CHECK(admit_sample(&equal, 0, &tap, NULL) == 0);
    CHECK(admit_sample(&equal, 0, &tap, NULL) == SUNTAP_REPLAYED);
    suntap_store_t none = {&ram, NULL};
    CHECK(suntap_store_check(&none, 1, &why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(suntap_store_check(NULL, 1, &why) == SUNTAP_INVALID_ARGUMENT);
    union {
        suntap_store_t store;
        suntap_why_t why;
    } overlap = {RAM};
    CHECK(suntap_store_check(&overlap.store, 1, &overlap.why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(same_bytes(&overlap.store, &RAM, sizeof RAM));
}

static void marks_advance(void)
{
    suntap_mark_t mark = {0}, stored;
    fill(&stored, 0xEE, sizeof stored);
    CHECK(suntap_mark_advance(&mark, 5, 100, &stored) == SUNTAP_ADVANCED);
    CHECK(mark.ctr == 5 && mark.at == 100 && mark.taps == 1 && is_zero(&stored, sizeof stored));
    CHECK(suntap_mark_advance(&mark, 5, 200, &stored) == SUNTAP_STALE);
    CHECK(suntap_mark_advance(&mark, 4, 200, &stored) == SUNTAP_STALE);
    CHECK(suntap_mark_advance(&mark, 0, 200, &stored) == SUNTAP_STALE);
    CHECK(mark.ctr == 5 && mark.at == 100 && mark.taps == 1 && same_bytes(&mark, &stored, sizeof mark));
    CHECK(suntap_mark_advance(&mark, 0xFFFFFF, 0, &stored) == SUNTAP_ADVANCED);
    CHECK(mark.ctr == 0xFFFFFF && mark.at == 0 && mark.taps == 2 && stored.ctr == 5);

    const suntap_mark_t before = mark;
    CHECK(suntap_mark_advance(&mark, 0x1000000, 0, &stored) == SUNTAP_FAILED);
    CHECK(suntap_mark_advance(NULL, 5, 0, &stored) == SUNTAP_FAILED);
    CHECK(suntap_mark_advance(&mark, 5, 0, NULL) == SUNTAP_FAILED);
    CHECK(suntap_mark_advance(&mark, 5, 0, &mark) == SUNTAP_FAILED);
    CHECK(same_bytes(&mark, &before, sizeof mark));
    suntap_mark_t invalid = {0, 5, 0};
    CHECK(suntap_mark_advance(&invalid, 6, 0, &stored) == SUNTAP_FAILED);
    _Alignas(suntap_mark_t) uint8_t bytes[2 * sizeof mark + 8] = {0};
    CHECK(suntap_mark_advance((suntap_mark_t *)(void *)&bytes[1], 5, 0, &stored) == SUNTAP_FAILED);
    CHECK(suntap_mark_advance(&mark, 5, 0, (suntap_mark_t *)(void *)&bytes[4]) == SUNTAP_FAILED);
    CHECK(suntap_mark_advance((suntap_mark_t *)(void *)&bytes[0], 5, 0, (suntap_mark_t *)(void *)&bytes[8]) == SUNTAP_FAILED);
    CHECK(is_zero(bytes, sizeof bytes));
}

static void keys_are_read_from_hex(void)
{
    static const char hex[] = "00112233445566778899AABBCCDDeeff";
    suntap_key_t key, expected = {{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF}};
    CHECK(suntap_key_from_hex(&key, hex, 32) == 0);
    CHECK(same_bytes(&key, &expected, sizeof key));
    for (size_t len = 0; len < 32; len++) {
        key = expected;
        CHECK(suntap_key_from_hex(&key, fenced(hex, len), len) == SUNTAP_INVALID_KEY);
        CHECK(is_zero(&key, sizeof key));
    }
    CHECK(suntap_key_from_hex(&key, "00112233445566778899AABBCCDDeeff0", 33) == SUNTAP_INVALID_KEY);
    CHECK(suntap_key_from_hex(&key, "00112233445566778899AABBCCDDeeff00", 34) == SUNTAP_INVALID_KEY);
    CHECK(suntap_key_from_hex(&key, "00112233445566778899AABBCCDDee\xC3\xA9", 32) == SUNTAP_INVALID_KEY);
    CHECK(suntap_key_from_hex(&key, NULL, 32) == SUNTAP_INVALID_ARGUMENT);
    CHECK(suntap_key_from_hex(NULL, hex, 32) == SUNTAP_INVALID_ARGUMENT);
    CHECK(suntap_key_from_hex(&key, hex, SIZE_MAX) == SUNTAP_INVALID_ARGUMENT);
    char same[32];
    copy(same, hex, 32);
    CHECK(suntap_key_from_hex((suntap_key_t *)(void *)&same[8], same, 32) == SUNTAP_INVALID_ARGUMENT);
    CHECK(same_bytes(same, hex, 32));
    key = expected;
    suntap_key_wipe(&key);
    CHECK(is_zero(&key, sizeof key));
    suntap_key_wipe(NULL);
}

static void null_pointers_are_refused(void)
{
    suntap_tap_t tap;
    suntap_why_t why;
    const char *url = SAMPLE->url;
    size_t len = length(url);
    suntap_store_t no_function = {&ram, NULL};
    sample_verifier();
    fill(&tap, 0xEE, sizeof tap);
    CHECK(suntap_admit(NULL, url, len, &RAM, 0, &tap, &why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(length(why.text) > 10 && is_zero(&tap, sizeof tap));
    CHECK(suntap_admit(&verifier, NULL, len, &RAM, 0, &tap, &why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(suntap_admit(&verifier, NULL, 0, &RAM, 0, &tap, &why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(suntap_admit(&verifier, url, len, NULL, 0, &tap, &why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(suntap_admit(&verifier, url, len, &no_function, 0, &tap, &why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(suntap_admit(&verifier, url, len, &RAM, 0, NULL, &why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(suntap_admit(&verifier, url, len, &RAM, 0, NULL, NULL) == SUNTAP_INVALID_ARGUMENT);
    CHECK(suntap_admit(&verifier, url, SIZE_MAX, &RAM, 0, &tap, &why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(suntap_admit(&verifier, url, SIZE_MAX / 2 + 1, &RAM, 0, &tap, &why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(suntap_admit_origin_form(&verifier, NULL, len, &RAM, 0, &tap, &why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(suntap_admit_ndef_file(&verifier, NULL, len, &RAM, 0, &tap, &why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(ram.count == 0);
    /* No text is wanted. */
    CHECK(suntap_admit(&verifier, url, len, &RAM, 0, &tap, NULL) == 0);
    suntap_verifier_wipe(NULL);
}

/* Memory for misaligned and overlapping arguments. */
static union {
    suntap_verifier_t verifier;
    suntap_tap_t tap;
    suntap_why_t why;
    suntap_store_t store;
    suntap_settings_t settings;
    suntap_key_t key;
    uint8_t bytes[3 * SUNTAP_VERIFIER_SIZE];
} shared, saved;

static void misaligned_pointers_are_refused(void)
{
    suntap_tap_t tap;
    suntap_why_t why;
    size_t len = length(SAMPLE->url);
    sample_verifier();
    for (size_t shift = 1; shift < SUNTAP_VERIFIER_ALIGN; shift++) {
        void *at = &shared.bytes[shift];
        copy(at, &verifier, sizeof verifier);
        CHECK(suntap_admit(at, SAMPLE->url, len, &RAM, 0, &tap, &why) == SUNTAP_INVALID_ARGUMENT);
        fill(at, 0xEE, sizeof verifier);
        suntap_verifier_wipe(at);
        CHECK(*(uint8_t *)at == 0xEE);
        suntap_settings_t settings = {.scheme = "aes"};
        CHECK(suntap_verifier_init(at, sizeof verifier, &settings, &why) == SUNTAP_INVALID_ARGUMENT);
        CHECK(length(why.text) > 10 && *(uint8_t *)at == 0xEE);
        if (shift % _Alignof(suntap_store_t) != 0) {
            copy(at, &RAM, sizeof RAM);
            CHECK(suntap_admit(&verifier, SAMPLE->url, len, at, 0, &tap, &why) == SUNTAP_INVALID_ARGUMENT);
            CHECK(suntap_store_check(at, 1, &why) == SUNTAP_INVALID_ARGUMENT);
            CHECK(suntap_verifier_init(&shared.verifier + 1, sizeof verifier, at, &why) == SUNTAP_INVALID_ARGUMENT);
        }
        if (shift % _Alignof(suntap_tap_t) != 0) {
            fill(at, 0xEE, sizeof tap);
            CHECK(suntap_admit(&verifier, SAMPLE->url, len, &RAM, 0, at, &why) == SUNTAP_INVALID_ARGUMENT);
            CHECK(*(uint8_t *)at == 0xEE);
        }
    }
    CHECK(ram.count == 0);
    /* Texts and keys have no alignment. */
    copy(&shared.bytes[1], SAMPLE->url, len);
    CHECK(suntap_admit(&verifier, (const char *)&shared.bytes[1], len, &RAM, 0, &tap, (void *)&shared.bytes[1025]) == 0);
}

/* Calls suntap_admit with arguments that overlap, and checks that nothing was written. */
static void refuses_overlap(const void *url, size_t len, const void *store, void *tap, void *why)
{
    saved = shared;
    CHECK(suntap_admit(&shared.verifier, url, len, store, 0, tap, why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(same_bytes(&saved, &shared, sizeof shared));
}

static void overlapping_results_are_refused(void)
{
    const char *url = SAMPLE->url;
    size_t len = length(url);
    suntap_tap_t tap;
    uint8_t *bytes = shared.bytes;
    /* Behind the verifier: 2,000 is the text, 3,008 the tap, 4,000 the store. */
    fill(&shared, 0, sizeof shared);
    ram.count = 0;
    CHECK(make_verifier(SAMPLE, &shared.verifier, NULL) == 0);
    copy(&bytes[2000], url, len);
    copy(&bytes[4000], &RAM, sizeof RAM);

    /* The tap or the text of the error in the verifier: first, middle and last possible place. */
    const size_t places[] = {0, 512, SUNTAP_VERIFIER_SIZE - 8};
    for (size_t i = 0; i < COUNT(places); i++) {
        refuses_overlap(url, len, &RAM, &bytes[places[i]], NULL);
        refuses_overlap(url, len, &RAM, &tap, &bytes[places[i]]);
    }
    /* In the URL. */
    refuses_overlap(&bytes[2000], len, &RAM, &bytes[2000], NULL);
    refuses_overlap(&bytes[2000], len, &RAM, &bytes[2000 - sizeof tap + 8], NULL);
    refuses_overlap(&bytes[2000], len, &RAM, &bytes[2000 + (len - 1) / 8 * 8], NULL);
    refuses_overlap(&bytes[2000], len, &RAM, &tap, &bytes[2000 + len - 1]);
    /* In the store. */
    refuses_overlap(url, len, &bytes[4000], &bytes[4000], NULL);
    refuses_overlap(url, len, &bytes[4000], &tap, &bytes[4000 + sizeof RAM - 1]);
    /* In each other. */
    refuses_overlap(url, len, &RAM, &bytes[3008], &bytes[3008]);
    refuses_overlap(url, len, &RAM, &bytes[3008], &bytes[3008 + sizeof tap - 1]);
    refuses_overlap(url, len, &RAM, &bytes[3008], &bytes[3009 - sizeof(suntap_why_t)]);
    CHECK(ram.count == 0);
    /* Neighbours do not overlap. */
    CHECK(suntap_admit(&shared.verifier, (char *)&bytes[2000], len, (void *)&bytes[4000], 0, (void *)&bytes[SUNTAP_VERIFIER_SIZE], NULL) == 0);
    ram.count = 0;
    CHECK(suntap_admit(&shared.verifier, (char *)&bytes[2000], len, (void *)&bytes[4000], 0, (void *)&bytes[3008], (void *)&bytes[3008 + sizeof tap]) == 0);

    /* The settings. */
    for (unsigned part = 0; part < 8; part++) {
        suntap_settings_t settings = {.scheme = "aes", .url_template = SAMPLE->url_template};
        suntap_key_t key = {{1}};
        settings.meta_read_key = &key;
        settings.file_read_key = &key;
        const suntap_settings_t *given = &settings;
        uint8_t *inside = &bytes[1000];
        fill(&shared, 0, sizeof shared);
        switch (part) {
        case 0:
            settings.meta_read_key = (const void *)inside;
            break;
        case 1:
            settings.file_read_key = (const void *)inside;
            break;
        case 2:
            settings.file_read_key = NULL;
            settings.master_key = (const void *)inside;
            break;
        case 3:
            settings.file_read_key = NULL;
            settings.master_key = &key;
            settings.suffix = inside;
            settings.suffix_len = 4;
            break;
        case 4:
            copy(inside, "aes", 4);
            settings.scheme = (const char *)inside;
            break;
        case 5:
            copy(inside, SAMPLE->url_template, length(SAMPLE->url_template) + 1);
            settings.url_template = (const char *)inside;
            break;
        case 6:
            copy(inside, &settings, sizeof settings);
            given = (const void *)inside;
            break;
        default:
            break;
        }
        suntap_why_t why;
        saved = shared;
        if (part == 7) {
            /* The text of the error in the verifier. */
            void *text = inside;
            CHECK(suntap_verifier_init(&shared.verifier, sizeof verifier, given, text) == SUNTAP_INVALID_ARGUMENT);
        } else {
            CHECK(suntap_verifier_init(&shared.verifier, sizeof verifier, given, &why) == SUNTAP_INVALID_ARGUMENT);
            CHECK(suntap_verifier_init(&verifier, sizeof verifier, given, (void *)(inside - 16)) == SUNTAP_INVALID_ARGUMENT);
        }
        CHECK(same_bytes(&saved, &shared, sizeof shared));
        /* The same settings are valid for another verifier. */
        CHECK(suntap_verifier_init(&verifier, sizeof verifier, given, &why) == 0);
    }
}

static void settings_are_checked(void)
{
    suntap_key_t key = {{1}};
    const uint8_t suffix[25] = {0};
    const suntap_settings_t valid = {
        .scheme = "aes", .url_template = SAMPLE->url_template, .meta_read_key = &key, .file_read_key = &key};
    suntap_settings_t settings = valid;
    suntap_why_t why;
#define INIT() suntap_verifier_init(&verifier, sizeof verifier, &settings, &why)
    CHECK(INIT() == 0 && why.text[0] == 0);
    CHECK(suntap_verifier_init(&verifier, sizeof verifier, NULL, &why) == SUNTAP_INVALID_ARGUMENT);
    CHECK(suntap_verifier_init(NULL, sizeof verifier, &settings, &why) == SUNTAP_INVALID_ARGUMENT);
    const size_t sizes[] = {0, sizeof verifier - 1, sizeof verifier + 16, SIZE_MAX};
    for (size_t i = 0; i < COUNT(sizes); i++)
        CHECK(suntap_verifier_init(&verifier, sizes[i], &settings, &why) == SUNTAP_INVALID_ARGUMENT);
    settings.scheme = NULL;
    CHECK(INIT() == SUNTAP_INVALID_ARGUMENT);
    settings.scheme = "des";
    CHECK(INIT() == SUNTAP_INVALID_ARGUMENT);
    settings.scheme = "aes\xFF";
    CHECK(INIT() == SUNTAP_INVALID_ARGUMENT);
    settings.scheme = "aesaesaesaesaesaesaesaes";
    CHECK(INIT() == SUNTAP_INVALID_ARGUMENT);
    settings = valid;
    settings.url_template = NULL;
    CHECK(INIT() == SUNTAP_INVALID_ARGUMENT);
    settings.url_template = "https://\xFF/?e={picc}&c={mac}";
    CHECK(INIT() == SUNTAP_INVALID_TEMPLATE);
    /* A template without a terminating null byte. The library reads 257 bytes. */
    char template[257];
    fill(template, 'a', sizeof template);
    settings.url_template = fenced(template, sizeof template);
    CHECK(INIT() == SUNTAP_INVALID_TEMPLATE);
    CHECK(same_text(why.text, "url_template has more than 256 bytes"));
    settings = valid;
    settings.master_key = &key;
    CHECK(INIT() == SUNTAP_INVALID_ARGUMENT);
    settings.file_read_key = NULL;
    CHECK(INIT() == 0);
    settings.suffix = suffix;
    settings.suffix_len = 24;
    settings.epoch = 3;
    CHECK(INIT() == 0);
    settings.suffix_len = 25;
    CHECK(INIT() == SUNTAP_INVALID_SETTINGS);
    settings.suffix_len = SIZE_MAX;
    CHECK(INIT() == SUNTAP_INVALID_ARGUMENT);
    settings.suffix = NULL;
    settings.suffix_len = 1;
    CHECK(INIT() == SUNTAP_INVALID_ARGUMENT);
    settings = valid;
    settings.epoch = 1;
    CHECK(INIT() == SUNTAP_INVALID_ARGUMENT);
    settings = valid;
    settings.suffix = suffix;
    CHECK(INIT() == SUNTAP_INVALID_ARGUMENT);
    settings = valid;
    settings.file_read_key = NULL;
    CHECK(INIT() == SUNTAP_INVALID_ARGUMENT);
#undef INIT
}

static void unusable_verifiers_are_refused(void)
{
    suntap_tap_t tap;
    ram.count = 0;
    fill(&verifier, 0, sizeof verifier);
    CHECK(admit_sample(&RAM, 0, &tap, NULL) == SUNTAP_INVALID_ARGUMENT);
    fill(&verifier, 0xFF, sizeof verifier);
    CHECK(admit_sample(&RAM, 0, &tap, NULL) == SUNTAP_INVALID_ARGUMENT);
    sample_verifier();
    /* A copy works. */
    fill(&shared, 0, sizeof shared);
    shared.verifier = verifier;
    size_t len = length(SAMPLE->url);
    CHECK(suntap_admit(&shared.verifier, SAMPLE->url, len, &RAM, 0, &tap, NULL) == 0);
    suntap_verifier_wipe(&verifier);
    CHECK(is_zero(&verifier, sizeof verifier));
    CHECK(admit_sample(&RAM, 0, &tap, NULL) == SUNTAP_INVALID_ARGUMENT);
    suntap_verifier_wipe(&verifier);
    /* After settings that are invalid, the old verifier is gone. */
    suntap_settings_t settings = {.scheme = "aes", .url_template = ""};
    CHECK(suntap_verifier_init(&shared.verifier, sizeof verifier, &settings, NULL) == SUNTAP_INVALID_ARGUMENT);
    CHECK(is_zero(&shared.verifier, sizeof verifier));
}

static void texts_show_no_keys(void)
{
    struct tap_case given = *SAMPLE;
    suntap_why_t why;
    suntap_tap_t tap;
    given.file_read_key = "A1A2A3A4A5A6A7A8A9AAABACADAEAFA0";
    CHECK(make_verifier(&given, &verifier, &why) == 0);
    CHECK(admit_sample(&RAM, 0, &tap, &why) == SUNTAP_NOT_AUTHENTIC);
    for (size_t at = 0; why.text[at] != 0; at++)
        CHECK(!(why.text[at] == 'A' && (why.text[at + 1] == '1' || why.text[at + 1] == '2')));
}

unsigned run_checks(void)
{
    unsigned fresh = 0;
    codes_have_names_and_texts();
    versions_agree();
    unsigned settings = settings_cases();
    unsigned taps = tap_cases(&fresh);
    other_forms_give_the_same_tap();
    file_data_is_decrypted();
    changed_and_shorter_urls_are_refused();
    store_gets_the_tap();
    failing_stores_refuse_the_tap();
    forged_taps_do_not_reach_the_store();
    store_check_finds_broken_stores();
    marks_advance();
    keys_are_read_from_hex();
    null_pointers_are_refused();
    misaligned_pointers_are_refused();
    overlapping_results_are_refused();
    settings_are_checked();
    unusable_verifiers_are_refused();
    texts_show_no_keys();
    say_number("cases ", settings + taps);
    say_number(" of ", COUNT(SETTINGS_CASES) + COUNT(TAP_CASES));
    say_number(", of these ", fresh);
    say_number(" fresh and then replayed; checks ", checked - failures);
    say_number(" of ", checked);
    say("\n");
    CHECK(COUNT(TAP_CASES) > 300 && fresh > 100 && COUNT(SETTINGS_CASES) > 10);
    return failures;
}
