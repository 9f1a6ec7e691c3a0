/* Hostile torrents: a table of info dictionaries, each with the one outcome that is right: an error
 * with its reason, or the paths that its files get. '$' stands for a NUL byte. */
#include "base/err.h"
#include "format/metainfo.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define H1 "20:AAAAAAAAAAAAAAAAAAAA"
#define H2 "40:AAAAAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBBBBB"
#define R1 "32:RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR"
#define R2 "32:SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS"

/* v1: a folder "root" of files with 16 KiB pieces, at most one piece in all. */
#define V1_WITH(files, hashes)                                                                     \
    "d5:filesl" files "e4:name4:root12:piece lengthi16384e6:pieces" hashes "e"
#define V1(files) V1_WITH(files, H1)
#define F(length, path) "d6:lengthi" length "e4:pathl" path "ee"
#define FA(attr, length, path) "d4:attr" attr "6:lengthi" length "e4:pathl" path "ee"
#define FL(path, target) "d4:attr1:l6:lengthi0e4:pathl" path "e12:symlink pathl" target "ee"
#define ONE F("1", "3:one")
/* v1: a single file. */
#define S1(length, name, piece_length, hashes)                                                     \
    "d6:lengthi" length "e4:name" name "12:piece lengthi" piece_length "e6:pieces" hashes "e"
/* v2: a folder "root" with 16 KiB pieces. */
#define V2_WITH(tree, piece_length)                                                                \
    "d9:file treed" tree "e12:meta versioni2e4:name4:root12:piece lengthi" piece_length "ee"
#define V2(tree) V2_WITH(tree, "16384")
#define LEAF(length) "d0:d6:lengthi" length "e11:pieces root" R1 "ee"
#define EMPTY "d0:d6:lengthi0eee"
#define LINK(target) "d0:d4:attr1:l12:symlink pathl" target "eee"
/* hybrids, the same */
#define HY(tree, files, hashes)                                                                    \
    "d9:file treed" tree "e5:filesl" files                                                         \
    "e12:meta versioni2e4:name4:root12:piece lengthi16384e6:pieces" hashes "e"
#define PAD(length) "d4:attr1:p6:lengthi" length "e4:pathl4:.pad1:1ee"

struct hostile {
    const char *info;
    int err;
    const char *outcome; /* part of the reason; or all paths, each with a newline, pads left out */
};

static const struct hostile v1_paths[] = {
    {V1(F("1", "2:..3:etc6:passwd")), 0, "root/__/etc/passwd\n"},
    {V1(F("1", "2:..2:..2:..1:x")), 0, "root/__/__/__/x\n"},
    {V1(F("1", "1:.1:x")), 0, "root/_/x\n"},
    {V1(F("1", "0:1:x")), 0, "root/_/x\n"},
    {V1(F("1", "0:")), 0, "root/_\n"},
    {V1(F("1", "11:/etc/passwd")), 0, "root/_etc_passwd\n"},
    {V1(F("1", "1:/3:etc")), 0, "root/_/etc\n"},
    {V1(F("1", "9:../../../")), 0, "root/.._.._.._\n"},
    {V1(F("1", "8:..\\..\\..")), 0, "root/.._.._..\n"},
    {V1(F("1", "2:C:7:Windows")), 0, "root/C_/Windows\n"},
    {V1(F("1", "10:C:\\Windows")), 0, "root/C:_Windows\n"},
    {V1(F("1", "13:\\\\server\\c$$$")), 0, "root/__server_c___\n"},
    {V1(F("1", "3:a$b")), 0, "root/a_b\n"},
    {V1(F("1", "1:$")), 0, "root/_\n"},
    {V1(F("1", "4:..$x")), 0, "root/.._x\n"},
    {V1(F("1", "3:a\nb")), 0, "root/a_b\n"},
    {V1(F("1", "5:\x1b[31m")), 0, "root/_[31m\n"},
    {V1(F("1", "10:exe\xe2\x80\xaegpj.")), 0, "root/exe_gpj.\n"},
    {V1(F("1", "9:exe\xe2\x80\xaegpj")), 0, "root/exe_gpj\n"},
    {V1(F("1", "2:\xc0\xaf")), 0, "root/\xef\xbf\xbd\xef\xbf\xbd\n"},
    {V1(F("1", "4:\xc0\xae\xc0\xae")), 0,
        "root/\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n"},
    {V1(F("1", "1:a") F("2", "1:a")), 0, "root/a\nroot/a (2)\n"},
    {V1(F("1", "1:a") F("2", "1:a") F("3", "1:a")), 0, "root/a\nroot/a (2)\nroot/a (3)\n"},
    {V1(F("1", "5:a.txt") F("2", "5:a.txt")), 0, "root/a.txt\nroot/a (2).txt\n"},
    {V1(F("1", "1:/") F("2", "1:\\") F("3", "1:_")), 0, "root/_\nroot/_ (2)\nroot/_ (3)\n"},
    {V1(F("1", "1:a") F("2", "1:a1:b")), 0, "root/a (2)\nroot/a/b\n"},
    {V1(F("1", "1:a1:b") F("2", "1:a")), 0, "root/a/b\nroot/a (2)\n"},
    {V1(F("1", "1:a1:b1:c") F("2", "1:a1:b")), 0, "root/a/b/c\nroot/a/b (2)\n"},
    {V1(F("1", "3:a/b") F("2", "1:a1:b")), 0, "root/a_b\nroot/a/b\n"},
    {V1(F("1", "1:A") F("2", "1:a")), 0, "root/A\nroot/a\n"},
    {V1(FL("1:a", "1:b") F("1", "1:a1:x") F("1", "1:b")), 0, "root/a (2) -> b\nroot/a/x\nroot/b\n"},
    {V1("d6:lengthi1e4:pathl3:bade10:path.utf-8l4:goodee"), 0, "root/good\n"},
    {V1("d6:lengthi1e4:pathl3:bade10:path.utf-8l2:..ee"), 0, "root/__\n"},
    {V1("d6:lengthi1e4:pathl3:bade10:path.utf-82:xxe"), 0, "root/bad\n"},
    {V1(F("1", "")), ERR_SYNTAX, "file 0: has no path"},
    {V1("d6:lengthi1ee"), ERR_SYNTAX, "file 0: has no path"},
    {V1(ONE "d6:lengthi1e4:path1:ae"), ERR_SYNTAX, "file 1: has no path"},
    {V1(ONE "d6:lengthi1e4:pathd1:a1:bee"), ERR_SYNTAX, "file 1: path is not a list"},
    {V1(F("1", "1:ai1e")), ERR_SYNTAX, "file 0: path is not a list of strings"},
    {V1(F("1", "1:ale")), ERR_SYNTAX, "file 0: path is not a list of strings"},
    {V1(F("1", "1:al1:be")), ERR_SYNTAX, "file 0: path is not a list of strings"},
    {V1(ONE "i1e"), ERR_SYNTAX, "file 1: not a dictionary"},
    {V1(ONE "3:abc"), ERR_SYNTAX, "file 1: not a dictionary"},
    {V1("d6:lengthi1e4:pathl1:aee"
        "d4:pathl1:be4:pathl1:ce6:lengthi1ee"),
        ERR_SYNTAX, "file 1: a key stands twice"},
};

static const struct hostile v1_sizes[] = {
    {V1(""), ERR_SYNTAX, "0 hashes needed"},
    {V1_WITH("", "0:"), ERR_SYNTAX, "there are no files"},
    {V1_WITH(PAD("0"), "0:"), ERR_SYNTAX, "there are no files"},
    {V1(PAD("100")), ERR_SYNTAX, "there are no files"},
    {V1(F("-1", "1:a")), ERR_SYNTAX, "file 0: length is negative"},
    {V1(ONE F("-9223372036854775808", "1:a")), ERR_SYNTAX, "file 1: length is negative"},
    {V1(F("9223372036854775808", "1:a")), ERR_SYNTAX, "file 0: has no length"},
    {V1(F("9223372036854775807", "1:a")), ERR_LIMIT, "file 0: the sum of lengths"},
    {V1(F("4611686018427387904", "1:a")), ERR_LIMIT, "more than 8388608 pieces"},
    {V1(F("4611686018427387904", "1:a") F("1", "1:b")), ERR_LIMIT, "file 1: the sum of lengths"},
    {V1(F("4000000000000000000", "1:a") F("4000000000000000000", "1:b") F("4000000000000000000",
         "1:c") F("4000000000000000000", "1:d") F("4000000000000000000", "1:e")),
        ERR_LIMIT, "file 1: the sum of lengths"},
    {V1("d4:pathl1:aee"), ERR_SYNTAX, "file 0: has no length"},
    {V1("d6:length1:14:pathl1:aee"), ERR_SYNTAX, "file 0: has no length"},
    {V1(F("16385", "1:a")), ERR_SYNTAX, "2 hashes needed, there are 1"},
    {V1_WITH(F("16384", "1:a"), H2), ERR_SYNTAX, "1 hashes needed, there are 2"},
    {V1_WITH(ONE, "0:"), ERR_SYNTAX, "1 hashes needed, there are 0"},
    {V1_WITH(ONE, "19:AAAAAAAAAAAAAAAAAAA"), ERR_SYNTAX, "not a multiple of 20"},
    {V1_WITH(ONE, "21:AAAAAAAAAAAAAAAAAAAAA"), ERR_SYNTAX, "not a multiple of 20"},
    {V1_WITH(ONE, "i20e"), ERR_SYNTAX, "pieces: not a string"},
    {V1_WITH(ONE, "le"), ERR_SYNTAX, "pieces: not a string"},
    {V1_WITH(F("0", "1:a"), "0:"), 0, "root/a\n"},
    {V1(F("0", "1:a") ONE F("0", "1:b")), 0, "root/a\nroot/one\nroot/b\n"},
    {S1("1", "1:a", "0", H1), ERR_SYNTAX, "piece length: not positive"},
    {S1("1", "1:a", "-16384", H1), ERR_SYNTAX, "piece length: not positive"},
    {S1("1", "1:a", "536870913", H1), ERR_LIMIT, "piece length: more than 512 MiB"},
    {S1("1", "1:a", "4294967296", H1), ERR_LIMIT, "piece length: more than 512 MiB"},
    {S1("1", "1:a", "18446744073709551616", H1), ERR_LIMIT, "piece length: more than 512 MiB"},
    {S1("1", "1:a", "536870912", H1), 0, "a\n"},
    {S1("1", "1:a", "1000000", H1), 0, "a\n"},
    {S1("2", "1:a", "1", H2), 0, "a\n"},
    {"d6:lengthi1e4:name1:a12:piece length5:163846:pieces" H1 "e", ERR_SYNTAX,
        "piece length: missing"},
    {"d6:lengthi1e4:name1:a6:pieces" H1 "e", ERR_SYNTAX, "piece length: missing"},
    {S1("-1", "1:a", "16384", H1), ERR_SYNTAX, "length is negative"},
    {"d4:name1:a12:piece lengthi16384e6:pieces" H1 "e", ERR_SYNTAX, "has no length"},
    {"d5:filesl" ONE "e6:lengthi99999e4:name1:a12:piece lengthi16384e6:pieces" H1 "e", 0,
        "a/one\n"},
    {"d5:filesd1:a1:be4:name1:a12:piece lengthi16384e6:pieces" H1 "e", ERR_SYNTAX,
        "files: not a list"},
    {"d5:files1:x4:name1:a12:piece lengthi16384e6:pieces" H1 "e", ERR_SYNTAX, "files: not a list"},
};

static const struct hostile names[] = {
    {S1("1", "2:..", "16384", H1), 0, "__\n"},
    {S1("1", "1:.", "16384", H1), 0, "_\n"},
    {S1("1", "11:/etc/passwd", "16384", H1), 0, "_etc_passwd\n"},
    {S1("1", "6:../../", "16384", H1), 0, ".._.._\n"},
    {S1("1", "5:a$b$c", "16384", H1), 0, "a_b_c\n"},
    {S1("1", "2:C:", "16384", H1), 0, "C_\n"},
    {"d5:filesl" ONE "e4:name2:..12:piece lengthi16384e6:pieces" H1 "e", 0, "__/one\n"},
    {"d5:filesl" ONE "e4:name6:../../12:piece lengthi16384e6:pieces" H1 "e", 0, ".._.._/one\n"},
    {"d5:filesl" ONE "e4:name1:/12:piece lengthi16384e6:pieces" H1 "e", 0, "_/one\n"},
    {"d5:filesl" ONE "e12:piece lengthi16384e6:pieces" H1 "e", ERR_SYNTAX, "name: missing"},
    {"d5:filesl" ONE "e4:namei1e12:piece lengthi16384e6:pieces" H1 "e", ERR_SYNTAX,
        "name: missing"},
    {"d6:lengthi1e4:name3:bad10:name.utf-84:good12:piece lengthi16384e6:pieces" H1 "e", 0,
        "good\n"},
};

static const struct hostile links[] = {
    {V1(FL("1:a", "3:one") ONE), 0, "root/a -> one\nroot/one\n"},
    {V1(FL("1:a", "1:d") F("1", "1:d1:x")), 0, "root/a -> d\nroot/d/x\n"},
    {V1(FL("1:a", "2:..3:etc") ONE), 0, "root/a\nroot/one\n"},
    {V1(FL("1:a", "1:d2:..3:one") ONE), 0, "root/a\nroot/one\n"},
    {V1(FL("1:a", "11:/etc/passwd") ONE), 0, "root/a\nroot/one\n"},
    {V1(FL("1:a", "0:3:etc") ONE), 0, "root/a\nroot/one\n"},
    {V1(FL("1:a", "1:.3:one") ONE), 0, "root/a\nroot/one\n"},
    {V1(FL("1:a", "") ONE), 0, "root/a\nroot/one\n"},
    {V1(FL("1:a", "1:a") ONE), 0, "root/a\nroot/one\n"},
    {V1(FL("1:a", "7:nowhere") ONE), 0, "root/a\nroot/one\n"},
    {V1(FL("1:a", "i1e") ONE), 0, "root/a\nroot/one\n"},
    {V1(FL("1:a", "2:on") ONE), 0, "root/a\nroot/one\n"},
    {V1("d4:attr1:l4:pathl1:ae12:symlink path3:onee" ONE), 0, "root/a\nroot/one\n"},
    {V1("d4:attr1:l4:pathl1:aee" ONE), 0, "root/a\nroot/one\n"},
    {V1(FL("1:a", "1:b") FL("1:b", "1:a") ONE), 0, "root/a -> b\nroot/b -> a\nroot/one\n"},
    {V1(FL("1:a", "4:.pad1:1") PAD("1") ONE), 0, "root/a\nroot/one\n"},
    {V1(FL("1:a", "1:x") F("1", "1:x") F("2", "1:x1:y")), 0,
        "root/a -> x (2)\nroot/x (2)\nroot/x/y\n"},
    {V1(FL("1:a", "3:b/c") F("1", "3:b/c")), 0, "root/a -> b_c\nroot/b_c\n"},
    {V1("d4:attr1:l6:lengthi16384e4:pathl1:ae12:symlink pathl3:oneee" ONE), 0,
        "root/a -> one\nroot/one\n"},
    {V1("d4:attr1:l6:lengthi-1e4:pathl1:ae12:symlink pathl3:oneee" ONE), 0,
        "root/a -> one\nroot/one\n"},
    {V1(FA("4:pxhl", "1", "1:a") ONE), 0, "root/one\n"},
    {V1(FA("5:?#\xff$z", "1", "1:a")), 0, "root/a\n"},
    {V1(F("1", "24:_____padding_file_0_xxxx") ONE), 0, "root/one\n"},
    {V1(FA("1:p", "1", "") ONE), 0, "root/one\n"},
    {V1(PAD("-1") ONE), ERR_SYNTAX, "file 0: length is negative"},
    {"d4:attr1:l6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces" H1 "12:symlink pathl1:bee", 0,
        "a\n"},
};

static const struct hostile v2_trees[] = {
    {V2("1:a" LEAF("1")), 0, "a\n"},
    {V2("1:a" LEAF("1") "1:b" EMPTY), 0, "root/a\nroot/b\n"},
    {V2("2:..d2:..d1:x" LEAF("1") "ee"), 0, "root/__/__/x\n"},
    {V2("1:.d1:x" LEAF("1") "e"), 0, "root/_/x\n"},
    {V2("11:/etc/passwd" LEAF("1")), 0, "_etc_passwd\n"},
    {V2("2:.." LEAF("1")), 0, "__\n"},
    {V2("1:$" LEAF("1")), 0, "_\n"},
    {V2("1:/" LEAF("1") "1:\\" LEAF("1") "1:_" LEAF("1")), 0, "root/_\nroot/_ (2)\nroot/_ (3)\n"},
    {V2("1:/" LEAF("1") "1:_d1:x" LEAF("1") "e"), 0, "root/_ (2)\nroot/_/x\n"},
    {V2("1:b" LEAF("1") "1:a" LEAF("1")), ERR_SYNTAX, "names are not sorted"},
    {V2("1:a" LEAF("1") "1:a" LEAF("1")), ERR_SYNTAX, "one stands twice"},
    {V2("1:d"
        "d1:b" LEAF("1") "1:a" LEAF("1") "e"),
        ERR_SYNTAX, "names are not sorted"},
    {V2(""), ERR_SYNTAX, "file tree: there are no files"},
    {V2("1:ade"), ERR_SYNTAX, "file tree: there are no files"},
    {V2("1:ad1:bdeee"), ERR_SYNTAX, "bytes behind its end"},
    {V2("0:d6:lengthi1e11:pieces root" R1 "e"), ERR_SYNTAX, "its root is a file"},
    {V2("1:ad0:d6:lengthi1e11:pieces root" R1 "e1:b" LEAF("1") "e"), ERR_SYNTAX,
        "a file and a folder at once"},
    {V2("1:ai1e"), ERR_SYNTAX, "not a dictionary at file 0"},
    {V2("1:a1:b"), ERR_SYNTAX, "not a dictionary at file 0"},
    {V2("1:ad0:i1ee"), ERR_SYNTAX, "there are no files"},
    {V2("1:ad0:dee1:b" LEAF("1")), 0, "root/b\n"},
    {V2("1:ad0:d6:length1:1ee"), ERR_SYNTAX, "file 0: has no length"},
    {V2("1:a" LEAF("-1")), ERR_SYNTAX, "file 0: length is negative"},
    {V2("1:a" LEAF("9223372036854775807")), ERR_LIMIT, "file 0: length is too large"},
    {V2("1:a" LEAF("4611686018427387904")), ERR_LIMIT, "file 0: more than 8388608 pieces"},
    {V2("1:a" LEAF("137438953472") "1:b" LEAF("1")), ERR_LIMIT, "file 1: more than 8388608 pieces"},
    {V2("1:ad0:d6:lengthi1eee"), ERR_SYNTAX, "file 0: has no pieces root"},
    {V2("1:ad0:d6:lengthi1e11:pieces root31:RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRee"), ERR_SYNTAX,
        "file 0: has no pieces root"},
    {V2("1:ad0:d6:lengthi1e11:pieces rooti1eee"), ERR_SYNTAX, "file 0: has no pieces root"},
    {V2("1:a" LEAF("0") "1:b" LEAF("1")), 0, "root/a\nroot/b\n"}, /* root of an empty file */
    {V2("1:ad0:d4:attr1:p6:lengthi1e11:pieces root" R1 "ee"), ERR_SYNTAX, "a pad in the file tree"},
    {V2("1:a" LINK("1:b") "1:b" LEAF("1")), 0, "root/a -> b\nroot/b\n"},
    {V2("1:a" LINK("2:..1:b") "1:b" LEAF("1")), 0, "root/a\nroot/b\n"},
    {V2("1:a" LINK("1:b")), ERR_SYNTAX, "its only file is a link"},
    {V2("1:ad0:d4:attr1:l6:lengthi1e12:symlink pathl1:beee1:b" LEAF("1")), 0,
        "root/a -> b\nroot/b\n"},
    {V2_WITH("1:a" LEAF("1"), "0"), ERR_SYNTAX, "piece length: not positive"},
    {V2_WITH("1:a" LEAF("1"), "-16384"), ERR_SYNTAX, "piece length: not positive"},
    {V2_WITH("1:a" LEAF("1"), "8192"), ERR_SYNTAX, "piece length: less than 16 KiB"},
    {V2_WITH("1:a" LEAF("1"), "49152"), ERR_SYNTAX, "piece length: not a power of two"},
    {V2_WITH("1:a" LEAF("1"), "1073741824"), ERR_LIMIT, "piece length: more than 512 MiB"},
    {"d9:file treed1:a" LEAF("1") "e4:name1:a12:piece lengthi16384ee", ERR_SYNTAX,
        "a file tree, and no meta version"},
    {"d12:meta versioni2e4:name1:a12:piece lengthi16384ee", ERR_SYNTAX,
        "meta version 2, and no file tree"},
    {"d12:meta versioni3e4:name1:ae", ERR_UNSUPPORTED, "meta version 3: later than 2"},
    {"d12:meta versioni9223372036854775807ee", ERR_UNSUPPORTED, "later than 2"},
    {"d12:meta versioni0e4:name1:ae", ERR_SYNTAX, "meta version: not a version"},
    {"d12:meta versioni-2e4:name1:ae", ERR_SYNTAX, "meta version: not a version"},
    {"d12:meta version1:24:name1:ae", ERR_SYNTAX, "meta version: not a version"},
    {"d9:file treele12:meta versioni2e4:name1:a12:piece lengthi16384ee", ERR_SYNTAX,
        "file tree: not a dictionary"},
    {"d4:name1:a12:piece lengthi16384ee", ERR_SYNTAX, "neither pieces nor a file tree"},
    {"de", ERR_SYNTAX, "neither pieces nor a file tree"},
};

#define TREE_AB "1:a" LEAF("1") "1:b" LEAF("2")
static const struct hostile hybrids[] = {
    {HY(TREE_AB, F("1", "1:a") PAD("16383") F("2", "1:b"), H2), 0, "root/a\nroot/b\n"},
    {HY(TREE_AB, F("1", "1:a") PAD("16383") F("2", "1:b") PAD("16382"), H2), 0, "root/a\nroot/b\n"},
    {HY(TREE_AB, F("1", "1:a") PAD("16000") PAD("383") F("2", "1:b"), H2), 0, "root/a\nroot/b\n"},
    {HY(TREE_AB, F("1", "1:a") F("2", "1:b"), H1), ERR_MISMATCH,
        "file 1: does not begin at the same place"},
    {HY(TREE_AB, F("1", "1:a") PAD("16382") F("2", "1:b"), H2), ERR_MISMATCH,
        "file 2: does not begin at the same place"},
    {HY(TREE_AB, F("1", "1:b") PAD("16383") F("2", "1:a"), H2), ERR_MISMATCH,
        "file 0: v1 and v2 name it differently"},
    {HY(TREE_AB, F("1", "1:a") PAD("16383") F("3", "1:b"), H2), ERR_MISMATCH,
        "file 2: 3 bytes in v1, 2 in v2"},
    {HY(TREE_AB, F("1", "1:a"), H1), ERR_MISMATCH, "file 1 is in v2's tree only"},
    {HY("1:a" LEAF("1"), F("1", "1:a") PAD("16383") F("2", "1:b"), H2), ERR_MISMATCH,
        "file 2 is in v1's list only"},
    {HY(TREE_AB, F("1", "1:a") PAD("16383") F("2", "1:b") PAD("16383"),
         "60:"
         "AAAAAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCCCCC"),
        ERR_MISMATCH, "3 pieces in v1, 2 in v2"},
    {HY("1:a" LEAF("1"), F("1", "1:a1:a"), H1), ERR_MISMATCH, "name it differently"},
    {HY("1:ad1:a" LEAF("1") "e", F("1", "3:a/a"), H1), ERR_MISMATCH, "name it differently"},
    {HY("1:a" LEAF("1") "1:b" EMPTY, F("1", "1:a") F("0", "1:b"), H1), 0, "root/a\nroot/b\n"},
    {HY("1:a" LEAF("1") "1:b" EMPTY, F("1", "1:a") PAD("16383") F("0", "1:b"), H1), 0,
        "root/a\nroot/b\n"},
    {HY("1:a" LEAF("1") "1:b" LINK("1:a"), F("1", "1:a") FL("1:b", "1:a"), H1), 0,
        "root/a\nroot/b -> a\n"},
    {HY("1:a" LEAF("1") "1:b" LINK("1:a"), F("1", "1:a") FL("1:b", "1:c"), H1), ERR_MISMATCH,
        "link it differently"},
    {HY("1:a" LEAF("1") "1:b" LINK("1:a"), F("1", "1:a") F("0", "1:b"), H1), ERR_MISMATCH,
        "link it differently"},
    {HY("1:a" LEAF("1") "1:b" EMPTY, F("1", "1:a") FL("1:b", "1:a"), H1), ERR_MISMATCH,
        "link it differently"},
    {"d9:file treed1:a" LEAF("1") "e6:lengthi1e12:meta versioni2e4:name1:a12:piece lengthi16384e"
                                  "6:pieces" H1 "e",
        0, "a\n"},
    {"d9:file treed1:b" LEAF("1") "e6:lengthi1e12:meta versioni2e4:name1:a12:piece lengthi16384e"
                                  "6:pieces" H1 "e",
        ERR_MISMATCH, "name it differently"},
    {"d9:file treed1:ad1:b" LEAF("1") "ee6:lengthi1e12:meta versioni2e4:name3:a/b"
                                      "12:piece lengthi16384e6:pieces" H1 "e",
        ERR_MISMATCH, "name it differently"},
    {"d9:file treed1:a" LEAF("1") "e6:lengthi1e12:meta versioni2e4:name1:a12:piece lengthi16384ee",
        ERR_MISMATCH, "and no pieces"},
    {"d9:file treed1:a" LEAF("1") "e5:filesl" ONE "e12:meta versioni2e4:name1:a"
                                  "12:piece lengthi16384ee",
        ERR_MISMATCH, "and no pieces"},
    {"d9:file treed1:a" LEAF("1") "e6:lengthi1e12:meta versioni2e4:name1:a12:piece lengthi16000e"
                                  "6:pieces" H1 "e",
        ERR_SYNTAX, "not a power of two"},
};

static const struct hostile not_info[] = {
    {"", ERR_TRUNCATED, "ends too early"},
    {"d", ERR_TRUNCATED, "ends too early"},
    {"i1e", ERR_SYNTAX, "info: not a dictionary"},
    {"le", ERR_SYNTAX, "info: not a dictionary"},
    {"3:abc", ERR_SYNTAX, "info: not a dictionary"},
    {V1(ONE) "x", ERR_SYNTAX, "info: 1 bytes behind its end"},
    {V1(ONE) V1(ONE), ERR_SYNTAX, "bytes behind its end"},
    {"d6:pieces0:6:pieces0:e", ERR_SYNTAX, "info: a key stands twice"},
    {"d6:pieces0:4:name1:a6:pieces0:e", ERR_SYNTAX, "info: a key stands twice"},
    {"d6:pieces" H1 "12:piece lengthi16384e4:name1:a6:lengthi1ee", 0, "a\n"}, /* unsorted */
    {"d6:lengthi01e4:name1:a12:piece lengthi016384e6:pieces" H1 "e", 0, "a\n"},
};

/* ---- running the table --------------------------------------------------------------------- */

static void put_paths(const struct metainfo *m, struct builder *b)
{
    for (uint32_t i = 0; i < m->file_count; i++) {
        if ((m->files[i].flags & METAINFO_PAD) != 0)
            continue;
        metainfo_put_path(m, i, PATH_LOCAL, b);
        if (m->files[i].target != NULL)
            builder_format(b, " -> %s", m->files[i].target);
        builder_u8(b, '\n');
    }
}

/* Whatever was accepted must be safe under both rules. */
static void check_safe(const struct metainfo *m)
{
    for (uint32_t i = 0; i < m->file_count; i++) {
        const struct metainfo_file *f = &m->files[i];
        assert_true(path_is_safe_relative(bytes_of_str(f->path), PATH_LOCAL));
        assert_true(path_is_safe_relative(bytes_of_str(f->portable_path), PATH_PORTABLE));
        if (f->target != NULL)
            assert_true(path_is_safe_relative(bytes_of_str(f->target), PATH_LOCAL));
        assert_int_equal(f->portable_target != NULL, f->target != NULL);
    }
    assert_true(path_is_safe(bytes_of_str(m->root), PATH_LOCAL));
    assert_true(path_is_safe(bytes_of_str(m->portable_root), PATH_PORTABLE));
}

static void check_case(const struct hostile *c)
{
    struct bytes raw = bytes_of_str(c->info);
    uint8_t *info = malloc(raw.size + 1);
    memcpy(info, raw.data, raw.size);
    for (size_t i = 0; i < raw.size; i++)
        if (info[i] == '$')
            info[i] = '\0';
    struct metainfo *m;
    struct format_error error;
    int err = metainfo_parse_info(bytes_of(info, raw.size), &m, &error);
    struct builder paths = builder_heap(1 << 16);
    if (err == 0) {
        check_safe(m);
        put_paths(m, &paths);
    }
    const char *got = err < 0 ? error.text : builder_text(&paths);
    bool right =
        err == c->err && (err < 0 ? strstr(got, c->outcome) != NULL : strcmp(got, c->outcome) == 0);
    if (!right)
        print_error("%s\n  got %d: %s\n  want %d: %s\n", c->info, err, got, c->err, c->outcome);
    builder_free(&paths);
    metainfo_unref(m);
    free(info);
    assert_true(right);
}

#define CHECK_TABLE(table)                                                                         \
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)                                    \
    check_case(&table[i])

static void hostile_v1_paths_stay_inside_and_apart(void **state)
{
    (void)state;
    CHECK_TABLE(v1_paths);
}

static void impossible_v1_sizes_are_refused(void **state)
{
    (void)state;
    CHECK_TABLE(v1_sizes);
}

static void hostile_names_of_the_torrent_stay_inside(void **state)
{
    (void)state;
    CHECK_TABLE(names);
}

static void links_that_lead_outside_lead_nowhere(void **state)
{
    (void)state;
    CHECK_TABLE(links);
}

static void broken_v2_trees_are_refused(void **state)
{
    (void)state;
    CHECK_TABLE(v2_trees);
}

static void hybrids_whose_halves_disagree_are_refused(void **state)
{
    (void)state;
    CHECK_TABLE(hybrids);
}

static void what_is_no_info_dictionary_is_refused(void **state)
{
    (void)state;
    CHECK_TABLE(not_info);
}

static void there_are_enough_hostile_cases(void **state)
{
    (void)state;
    size_t count = sizeof v1_paths / sizeof v1_paths[0] + sizeof v1_sizes / sizeof v1_sizes[0] +
                   sizeof names / sizeof names[0] + sizeof links / sizeof links[0] +
                   sizeof v2_trees / sizeof v2_trees[0] + sizeof hybrids / sizeof hybrids[0] +
                   sizeof not_info / sizeof not_info[0];
    assert_true(count >= 200);
}

/* ---- too large for a table ----------------------------------------------------------------- */

static int parse_built(struct builder *b, struct format_error *error, struct metainfo **m)
{
    assert_true(builder_ok(b));
    int err = metainfo_parse_info(builder_bytes(b), m, error);
    builder_free(b);
    return err;
}

static void begin_v1(struct builder *b)
{
    *b = builder_heap(METAINFO_INFO_MAX * 2);
    builder_str(b, "d5:filesl");
}

static void end_v1(struct builder *b, const char *hashes)
{
    builder_format(b, "e4:name4:root12:piece lengthi16384e6:pieces%se", hashes);
}

static void too_many_files_are_refused(void **state)
{
    (void)state;
    struct builder b;
    struct metainfo *m;
    struct format_error error;
    begin_v1(&b);
    for (unsigned i = 0; i <= METAINFO_FILES_MAX; i++)
        builder_str(&b, "d6:lengthi0e4:pathl1:aee");
    end_v1(&b, "0:");
    assert_int_equal(parse_built(&b, &error, &m), ERR_LIMIT);
    assert_string_equal(error.text, "more than 1000000 files");
}

/* In a key that nobody asked for; each of two bytes would cost 16. */
static void too_many_values_are_refused(void **state)
{
    (void)state;
    struct metainfo *m;
    struct format_error error;
    struct builder b = builder_heap(METAINFO_INFO_MAX);
    builder_str(&b, "d4:infod1:al");
    while (b.size < METAINFO_INFO_MAX - 100)
        builder_str(&b, "le");
    builder_str(&b, "e"
                    "6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces" H1 "ee");
    assert_true(builder_ok(&b));
    assert_int_equal(metainfo_parse_torrent(builder_bytes(&b), &m, &error), ERR_LIMIT);
    assert_non_null(strstr(error.text, "too many values"));
    assert_int_equal(metainfo_parse_info(bytes_of(b.data + 7, b.size - 8), &m, &error), ERR_LIMIT);
    builder_free(&b);
}

static void a_hundred_thousand_files_of_one_name_are_kept_apart(void **state)
{
    (void)state;
    struct builder b;
    struct metainfo *m;
    struct format_error error;
    begin_v1(&b);
    for (unsigned i = 0; i < 100000; i++)
        builder_str(&b, "d6:lengthi0e4:pathl1:aee");
    end_v1(&b, "0:");
    assert_int_equal(parse_built(&b, &error, &m), 0);
    assert_string_equal(m->files[99999].path, "a (100000)");
    metainfo_unref(m);
}

static void too_deep_or_long_paths_are_refused(void **state)
{
    (void)state;
    struct metainfo *m;
    struct format_error error;
    for (unsigned depth = PATH_DEPTH_MAX; depth <= PATH_DEPTH_MAX + 1; depth++) {
        struct builder b;
        begin_v1(&b);
        builder_str(&b, "d6:lengthi1e4:pathl");
        for (unsigned i = 0; i < depth; i++)
            builder_str(&b, "1:d");
        builder_str(&b, "ee");
        end_v1(&b, H1);
        int err = parse_built(&b, &error, &m);
        assert_int_equal(err, depth > PATH_DEPTH_MAX ? ERR_LIMIT : 0);
        if (err < 0)
            assert_string_equal(error.text, "file 0: path is deeper than 100 folders");
        metainfo_unref(m);

        b = builder_heap(1 << 20);
        builder_str(&b, "d9:file treed");
        for (unsigned i = 0; i < depth; i++)
            builder_str(&b, i == 0 ? "1:d" : "d1:d");
        builder_str(&b, LEAF("1"));
        for (unsigned i = 1; i < depth; i++)
            builder_str(&b, "e");
        builder_str(&b, "e12:meta versioni2e4:name4:root12:piece lengthi16384ee");
        assert_int_equal(parse_built(&b, &error, &m), depth > PATH_DEPTH_MAX ? ERR_LIMIT : 0);
        metainfo_unref(m);
    }
    struct builder b;
    begin_v1(&b);
    builder_str(&b, "d6:lengthi1e4:pathl");
    for (unsigned i = 0; i < 20; i++)
        builder_format(&b, "250:%0250u", i);
    builder_str(&b, "ee");
    end_v1(&b, H1);
    assert_int_equal(parse_built(&b, &error, &m), ERR_LIMIT);
    assert_string_equal(error.text, "file 0: path is longer than 4000 bytes");
}

/* A tree names its folders once: a few kilobytes could stand for gigabytes of paths. */
static void paths_that_a_tree_multiplies_meet_a_bound(void **state)
{
    (void)state;
    struct builder b = builder_heap(METAINFO_INFO_MAX);
    struct metainfo *m;
    struct format_error error;
    builder_str(&b, "d9:file treed");
    for (unsigned i = 0; i < 15; i++)
        builder_format(&b, i == 0 ? "250:%0250u" : "d250:%0250u", i);
    builder_u8(&b, 'd');
    for (unsigned i = 0; i < 100000; i++)
        builder_format(&b, "6:%06ud0:d6:lengthi0eee", i);
    for (unsigned i = 0; i < 15; i++)
        builder_u8(&b, 'e');
    builder_str(&b, "e12:meta versioni2e4:name4:root12:piece lengthi16384ee");
    assert_int_equal(parse_built(&b, &error, &m), ERR_LIMIT);
    assert_string_equal(error.text, "paths take more than 128 MiB");
}

static void a_name_of_a_megabyte_is_cut(void **state)
{
    (void)state;
    struct builder b = builder_heap(METAINFO_INFO_MAX);
    struct metainfo *m;
    struct format_error error;
    builder_str(&b, "d6:lengthi1e4:name1048576:");
    memset(builder_reserve(&b, 1 << 20), 'n', 1 << 20);
    builder_str(&b, "12:piece lengthi16384e6:pieces" H1 "e");
    assert_int_equal(parse_built(&b, &error, &m), 0);
    assert_int_equal(strlen(m->root), PATH_COMPONENT_MAX);
    assert_int_equal(m->name.size, 1 << 20);
    metainfo_unref(m);
}

static void an_info_dictionary_that_is_too_large_is_refused(void **state)
{
    (void)state;
    struct metainfo *m;
    struct format_error error;
    uint8_t *big = calloc(1, METAINFO_INFO_MAX + 1);
    assert_int_equal(
        metainfo_parse_info(bytes_of(big, METAINFO_INFO_MAX + 1), &m, &error), ERR_LIMIT);
    assert_string_equal(error.text, "info: more than 32 MiB");
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_v1_paths_stay_inside_and_apart),
        cmocka_unit_test(impossible_v1_sizes_are_refused),
        cmocka_unit_test(hostile_names_of_the_torrent_stay_inside),
        cmocka_unit_test(links_that_lead_outside_lead_nowhere),
        cmocka_unit_test(broken_v2_trees_are_refused),
        cmocka_unit_test(hybrids_whose_halves_disagree_are_refused),
        cmocka_unit_test(what_is_no_info_dictionary_is_refused),
        cmocka_unit_test(there_are_enough_hostile_cases),
        cmocka_unit_test(too_many_files_are_refused),
        cmocka_unit_test(too_many_values_are_refused),
        cmocka_unit_test(a_hundred_thousand_files_of_one_name_are_kept_apart),
        cmocka_unit_test(too_deep_or_long_paths_are_refused),
        cmocka_unit_test(paths_that_a_tree_multiplies_meet_a_bound),
        cmocka_unit_test(a_name_of_a_megabyte_is_cut),
        cmocka_unit_test(an_info_dictionary_that_is_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
