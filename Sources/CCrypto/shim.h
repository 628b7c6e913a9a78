// SHA-256 in pieces: OpenSSL 3 would rather have it asked for by name, which reads its configuration at every start.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
