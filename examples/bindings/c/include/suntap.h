/*
 * suntap for C: decides whether an NFC tap is genuine and new.
 *
 * Generated from the Rust sources by run.sh. Do not edit.
 *
 * Rules for all functions:
 * - The caller owns all memory. The library has no heap and no global state, and keeps no pointer after it returns.
 * - A pointer that is misaligned, that overlaps another argument, or that is NULL where this is not allowed, gives
 *   SUNTAP_INVALID_ARGUMENT. If results overlap another argument, or a length is above PTRDIFF_MAX, nothing is written.
 * - Any other pointer must point to memory of the size that its type or its length says. The library cannot check this.
 * - No other thread, and not the function of the store, may write to an argument during a call.
 * - A function that returns suntap_code_t returns 0 if it succeeds.
 * - No Rust panic unwinds into C. No input is known to cause a panic. A panic would stop the program: it
 *   calls abort, or executes an undefined instruction on a microcontroller.
 */

#ifndef SUNTAP_H
#define SUNTAP_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define SUNTAP_ALIGNED(n) __attribute__((aligned(n)))
#define SUNTAP_MUST_USE __attribute__((warn_unused_result))
#elif defined(_MSC_VER)
#define SUNTAP_ALIGNED(n) __declspec(align(n))
#define SUNTAP_MUST_USE
#else
#error "define SUNTAP_ALIGNED and SUNTAP_MUST_USE for this compiler"
#endif

// The version of this header. suntap_version() returns the version of the library.
#define SUNTAP_VERSION "0.1.0"

// The tap is genuine and new.
#define SUNTAP_FRESH 0

// The URL does not match the template.
#define SUNTAP_MALFORMED 1

// The tap is forged or changed, or the keys or the template do not match the tag.
#define SUNTAP_NOT_AUTHENTIC 2

// The tap is genuine but has no counter, so it may be a replay.
#define SUNTAP_NO_COUNTER 3

// The tap is genuine, but it or a newer tap of its tag was already accepted.
#define SUNTAP_REPLAYED 4

// The counter store failed, so the tap is refused.
#define SUNTAP_STORE_FAILED 5

// The template of the URL breaks a rule.
#define SUNTAP_INVALID_TEMPLATE 6

// A key does not have 16 bytes, or its text does not have 32 hexadecimal digits.
#define SUNTAP_INVALID_KEY 7

// The template and the keys do not fit together.
#define SUNTAP_INVALID_SETTINGS 8

// An argument is missing, has an invalid value, or overlaps another one.
#define SUNTAP_INVALID_ARGUMENT 9


// The counter was greater than the stored one, and is now stored. The values of these three constants are unlike the
// usual results of functions, so that a store that returns 0, 1, -1 or the error of its database by mistake counts as
// failed.
#define SUNTAP_ADVANCED 21249

// The counter was not greater than the stored one. Nothing changed.
#define SUNTAP_STALE 21250

// The store does not know whether the counter advanced. Any value other than SUNTAP_ADVANCED and SUNTAP_STALE means
// this.
#define SUNTAP_FAILED 21251

// The template has no tamper status.
#define SUNTAP_SEAL_NONE 0

// The seal was never opened.
#define SUNTAP_SEAL_CLOSED 1

// The seal is open.
#define SUNTAP_SEAL_OPEN 2

// The seal was opened before, and is closed now.
#define SUNTAP_SEAL_OPENED_BEFORE 3

// The state of the seal is not known, or the MAC does not cover it.
#define SUNTAP_SEAL_UNKNOWN 4

// The maximum number of bytes of the encrypted file data.
#define SUNTAP_FILE_DATA_SIZE 128

// The size of the text of an error, with the terminating null byte.
#define SUNTAP_WHY_SIZE 256

// The size of a suntap_verifier_t on every target.
#define SUNTAP_VERIFIER_SIZE 1792

// The alignment of a suntap_verifier_t on every target.
#define SUNTAP_VERIFIER_ALIGN 16

// The result of a function: one of the constants from SUNTAP_FRESH to SUNTAP_INVALID_ARGUMENT.
typedef int32_t suntap_code_t;

// Memory of the caller for a verifier. Its content is private and contains keys.
//
// Every verifier must be wiped by suntap_verifier_wipe after use. Do not copy it: a copy works, but contains the keys,
// too.
typedef struct SUNTAP_ALIGNED(16) suntap_verifier_t {
  // Private.
  uint64_t opaque[224];
} suntap_verifier_t;

// An AES key. `suntap_key_from_hex` reads it from text. Wipe it with `suntap_key_wipe` after use.
typedef struct suntap_key_t {
  // The bytes of the key.
  uint8_t bytes[16];
} suntap_key_t;

// The settings of a verifier. Initialize it with `= {0}` or designated initializers, so that unused members are NULL
// or 0. suntap_verifier_init copies what it needs.
//
// Set either `file_read_key` or `master_key`.
typedef struct suntap_settings_t {
  // "aes", "lrp" or "suncmac".
  const char *scheme;
  // The URL as the tag writes it, with a placeholder for each part that changes. At most 256 bytes.
  const char *url_template;
  // The key that decrypts the PICCData (SDMMetaReadKey), or NULL if the template has no {picc}.
  const struct suntap_key_t *meta_read_key;
  // The SDMFileReadKey of all tags, or NULL.
  const struct suntap_key_t *file_read_key;
  // The master key from which the SDMFileReadKey of each tag is derived, as in NXP AN10922, or NULL.
  const struct suntap_key_t *master_key;
  // With `master_key`: the bytes of the derivation input after the UID, or NULL.
  const uint8_t *suffix;
  // The number of bytes of `suffix`, at most 24.
  size_t suffix_len;
  // With `master_key`: the number of times that the keys of the tags were changed.
  uint32_t epoch;
} suntap_settings_t;

// The text of an error for a log. Do not show it to untrusted clients: the difference between two texts can help an
// attacker.
typedef struct suntap_why_t {
  // Null-terminated. Empty if there was no error.
  char text[SUNTAP_WHY_SIZE];
} suntap_why_t;

// What a store keeps for a tag. All members are 0 if the store has no mark for this tag yet.
typedef struct suntap_mark_t {
  // Time of the last accepted tap in milliseconds since 1970, or 0 if no time was given.
  uint64_t at;
  // Counter of the last accepted tap.
  uint32_t ctr;
  // Number of accepted taps. At least 1 in a stored mark.
  uint32_t taps;
} suntap_mark_t;

// Compares `ctr` with the stored counter of `id`, and stores `ctr` and `at` if `ctr` is greater or none is stored.
// Returns SUNTAP_ADVANCED, SUNTAP_STALE or SUNTAP_FAILED.
//
// The security of your service depends on this function:
// - It must compare and store in one atomic step. If two threads or processes call it with the same counter, exactly
//   one may get SUNTAP_ADVANCED.
// - The new mark must be durable (survive a power cut) before it returns SUNTAP_ADVANCED.
// - It must write the mark that was stored before the call to `*stored`, or leave `*stored` unchanged (all 0) if there
//   was none.
//
// `ctx` is that of suntap_store_t. `id` has 16 bytes, which identify the tag and its keys. `at` is that of
// suntap_admit. Return normally: do not leave the function by longjmp or a C++ exception.
//
// suntap_mark_advance makes the comparison. suntap_store_check tests a store.
typedef int32_t (*suntap_advance_fn)(void *ctx,
                                     const uint8_t *id,
                                     uint32_t ctr,
                                     uint64_t at,
                                     struct suntap_mark_t *stored);

// The counter store of the caller.
typedef struct suntap_store_t {
  // Passed to each call of `advance`. Can be NULL.
  void *ctx;
  // The function of the store.
  suntap_advance_fn advance;
} suntap_store_t;

// The content of a tap that is genuine and new. All members are 0 if the tap was refused.
typedef struct suntap_tap_t {
  // The mark that the store had before this tap. All members are 0 for the first tap of the tag.
  struct suntap_mark_t previous;
  // The id under which the store keeps the counter.
  uint8_t counter_id[16];
  // The counter, at least 1 in an accepted tap.
  uint32_t ctr;
  // The number of accepted taps of this tag, including this one.
  uint32_t taps;
  // The UID, if `uid_len` is 7.
  uint8_t uid[7];
  // 7, or 0 if the template has no UID.
  uint8_t uid_len;
  // One of the constants SUNTAP_SEAL_...
  int32_t seal;
  // The number of bytes in `file_data`, or 0 if the template has no {enc}.
  uint32_t file_data_len;
  // The decrypted file data (SDMENCFileData).
  uint8_t file_data[SUNTAP_FILE_DATA_SIZE];
} suntap_tap_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Makes a verifier from its settings.
//
// `size` is sizeof(suntap_verifier_t), so that a smaller buffer gets an error. It does not detect every header of
// another version: compile with the header of the library that you link.
// `why` receives the text of an error, and can be NULL.
//
// Returns 0, SUNTAP_INVALID_TEMPLATE, SUNTAP_INVALID_SETTINGS or SUNTAP_INVALID_ARGUMENT. After an error, do not use
// the verifier. It refuses all calls, unless nothing was written because of an overlap or a wrong `size`.
SUNTAP_MUST_USE
suntap_code_t suntap_verifier_init(struct suntap_verifier_t *verifier,
                                   size_t size,
                                   const struct suntap_settings_t *settings,
                                   struct suntap_why_t *why);

// Overwrites a verifier with zeros. Do not call it while another thread uses the verifier. NULL is allowed.
void suntap_verifier_wipe(struct suntap_verifier_t *verifier);

// Verifies a tap, and advances the counter of its tag in the store. If it returns 0, the tap is genuine and new.
//
// `url` is the whole URL; it does not need a terminating null byte. `at` is the current time in milliseconds since
// 1970, or 0; the store keeps it. `tap` receives the content of an accepted tap, and zeros otherwise. `why` receives
// the text of an error for a log, and can be NULL. Threads can use one verifier at the same time if the store allows
// it.
//
// Returns 0 (SUNTAP_FRESH), SUNTAP_MALFORMED, SUNTAP_NOT_AUTHENTIC, SUNTAP_NO_COUNTER, SUNTAP_REPLAYED,
// SUNTAP_STORE_FAILED or SUNTAP_INVALID_ARGUMENT. Refuse the tap unless it returns 0, and show all errors as the same
// refusal to untrusted clients. After SUNTAP_STORE_FAILED, the counter may have advanced.
SUNTAP_MUST_USE
suntap_code_t suntap_admit(const struct suntap_verifier_t *verifier,
                           const char *url,
                           size_t url_len,
                           const struct suntap_store_t *store,
                           uint64_t at,
                           struct suntap_tap_t *tap,
                           struct suntap_why_t *why);

// Like suntap_admit, but for the target of an HTTP request: the path and the query, without scheme and host.
SUNTAP_MUST_USE
suntap_code_t suntap_admit_origin_form(const struct suntap_verifier_t *verifier,
                                       const char *target,
                                       size_t target_len,
                                       const struct suntap_store_t *store,
                                       uint64_t at,
                                       struct suntap_tap_t *tap,
                                       struct suntap_why_t *why);

// Like suntap_admit, but for the NDEF file that an NFC reader reads from the tag.
SUNTAP_MUST_USE
suntap_code_t suntap_admit_ndef_file(const struct suntap_verifier_t *verifier,
                                     const uint8_t *file,
                                     size_t file_len,
                                     const struct suntap_store_t *store,
                                     uint64_t at,
                                     struct suntap_tap_t *tap,
                                     struct suntap_why_t *why);

// Tests the function of a store: about 20 calls that check the comparison, the reported marks, and that tags are
// independent. Call it from your tests, not on the store of a running service. It cannot test that the store is atomic
// and durable.
//
// Use another `run` for each test of the same store, because the test needs counter ids that the store does not
// contain yet.
//
// Returns 0, SUNTAP_STORE_FAILED or SUNTAP_INVALID_ARGUMENT. `why` receives the rule that the store broke, and can be
// NULL.
SUNTAP_MUST_USE
suntap_code_t suntap_store_check(const struct suntap_store_t *store,
                                 uint64_t run,
                                 struct suntap_why_t *why);

// Makes the comparison of a store. `mark` is the mark of the tag in the store, or zeros if there is none.
//
// If `ctr` is greater, changes `*mark` to the new mark, which the store must now make durable, and returns
// SUNTAP_ADVANCED. Otherwise returns SUNTAP_STALE. In both cases, `*stored` receives the old mark. Returns
// SUNTAP_FAILED, and changes nothing, if an argument is invalid or `*mark` is not a mark of suntap.
//
// The function takes no lock: see suntap_advance_fn.
SUNTAP_MUST_USE
int32_t suntap_mark_advance(struct suntap_mark_t *mark,
                            uint32_t ctr,
                            uint64_t at,
                            struct suntap_mark_t *stored);

// Reads a key from 32 hexadecimal digits. `hex` does not need a terminating null byte.
//
// Returns 0, SUNTAP_INVALID_KEY or SUNTAP_INVALID_ARGUMENT. After an error, the key is all zeros, which is the key of
// a new chip: do not use it.
SUNTAP_MUST_USE suntap_code_t suntap_key_from_hex(struct suntap_key_t *key, const char *hex, size_t hex_len);

// Overwrites a key with zeros. NULL is allowed.
void suntap_key_wipe(struct suntap_key_t *key);

// Returns the name of a code, for example "replayed". The names do not change between versions.
const char *suntap_code_name(suntap_code_t code);

// Returns what a code means.
const char *suntap_code_text(suntap_code_t code);

// Returns the version of the library. SUNTAP_VERSION is the version of the header.
const char *suntap_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#if defined(__cplusplus) && __cplusplus >= 201103L
#define SUNTAP_STATIC_ASSERT(condition, text) static_assert(condition, text)
#define SUNTAP_ALIGNOF(type) alignof(type)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define SUNTAP_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#define SUNTAP_ALIGNOF(type) _Alignof(type)
#endif

#ifdef SUNTAP_STATIC_ASSERT
SUNTAP_STATIC_ASSERT(sizeof(suntap_verifier_t) == SUNTAP_VERIFIER_SIZE, "the size of suntap_verifier_t is wrong");
SUNTAP_STATIC_ASSERT(SUNTAP_ALIGNOF(suntap_verifier_t) == SUNTAP_VERIFIER_ALIGN, "the alignment is wrong");
SUNTAP_STATIC_ASSERT(sizeof(suntap_tap_t) == 56 + SUNTAP_FILE_DATA_SIZE, "suntap_tap_t has a gap");
SUNTAP_STATIC_ASSERT(sizeof(suntap_mark_t) == 16, "suntap_mark_t has a gap");
SUNTAP_STATIC_ASSERT(sizeof(suntap_why_t) == SUNTAP_WHY_SIZE, "the size of suntap_why_t is wrong");
#endif

#endif // SUNTAP_H
