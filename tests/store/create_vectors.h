/* Info-hashes that other makers give the files of test_create.c: the output of
 * make_create_vectors.py, libtorrent 2.0.8, mktorrent 1.1, transmission-create 3.00. */
#ifndef KITH_TESTS_STORE_CREATE_VECTORS_H
#define KITH_TESTS_STORE_CREATE_VECTORS_H

#include "store/create/create.h"

struct create_vector {
    const char *maker, *name;
    enum create_kind kind;
    uint32_t piece_length;
    const char *v1, *v2; /* "": none */
    const char *pieces;  /* instead: SHA-1 over the v1 piece hashes */
};

static const struct create_vector create_vectors[] = {
    {"libtorrent", "album", CREATE_V1, 16384, "a0e23f52c4d8f5b2d74f5d3d3147896e5f731005", "", NULL},
    {"libtorrent", "album", CREATE_V2, 16384, "",
        "9e91a6beacfdb660235e968ebba77fac835658a3efcbb7fb913b0892469f5f38", NULL},
    {"libtorrent", "album", CREATE_HYBRID, 16384, "8fd3ec2fbcf433271075d8657c7408cb3272a148",
        "99754dd95c45c30853cc481c39b5c8cb3e11e7535fd44ea33b826859590bf021", NULL},
    {"libtorrent", "album", CREATE_V1, 65536, "6f3b2c212bda40588ef5d95a1159cf964f1e4767", "", NULL},
    {"libtorrent", "album", CREATE_V2, 65536, "",
        "ff3db8dcca16cae75489bded2377756e045aec64b90477903dbbaba8483b7e6f", NULL},
    {"libtorrent", "album", CREATE_HYBRID, 65536, "ec5557c8f6eb6cd88af5f2148cfb7169d6f9851c",
        "90fef55ccb28820423cbecccb7e60ac2b349377a388f539b3a9837016a952179", NULL},
    {"libtorrent", "album", CREATE_V1, 4194304, "32135c0fc2c320b03834506796fb2f8716056b75", "",
        NULL},
    {"libtorrent", "album", CREATE_V2, 4194304, "",
        "558cd8e6445ea1a8b583aa7be37d1a305b4fdaf898e03648c588507475b4865c", NULL},
    {"libtorrent", "album", CREATE_HYBRID, 4194304, "af85ffd2f9ebb47b1a4af715bef651d5f8dd78c9",
        "fa37e394364070c1612cd9a4550854cfe10f4d7238afeec28edcfe0e17ae62e8", NULL},
    {"libtorrent", "album", CREATE_V1, 8388608, "099586e8def9bc10a7742173031466abd92b2033", "",
        NULL},
    {"libtorrent", "album", CREATE_V2, 8388608, "",
        "4ac307aa59069b915e3ddf25a642eb760e2c47b5bbc4ec540bb781605ed19c68", NULL},
    {"libtorrent", "album", CREATE_HYBRID, 8388608, "fe4c99f073bc1df742baececb1c57d6924d7f708",
        "5ba69ec64f5319e61b1bd698e8bab23e998fe9cb94f9bcfcc6e3a1d829ecc662", NULL},
    {"libtorrent", "movie.bin", CREATE_V1, 16384, "caf7d5209b96e1bb70ff7a4bafd65242d252d997", "",
        NULL},
    {"libtorrent", "movie.bin", CREATE_V2, 16384, "",
        "54a6f48546d2767f5652918cef0794f58bda52aa71314e8a8d533db83a3f5aa4", NULL},
    {"libtorrent", "movie.bin", CREATE_HYBRID, 16384, "f86516ee93a61671a77fa4bc4c3255b8288f85fd",
        "3f8d9007a69904cb68f7deaa05f57a4bd70cfc8dd01d19e0572fb3c489779709", NULL},
    {"libtorrent", "movie.bin", CREATE_V1, 65536, "55dfde8cfa449e2423f82bff974b820a7c712661", "",
        NULL},
    {"libtorrent", "movie.bin", CREATE_V2, 65536, "",
        "75a5b389db650320a82ebfa5bc4ea487ea01c0594016fe428dbe9c16a4fff6e0", NULL},
    {"libtorrent", "movie.bin", CREATE_HYBRID, 65536, "c3ec9b8048a93c6d6e86e1fcb88efa28e3478cad",
        "1c43ca20ca8556468525d252953cfa6a13fcb6e6d7deb3173f8c408cea595bd2", NULL},
    {"libtorrent", "movie.bin", CREATE_V1, 4194304, "2624ba26b80d7b1451f1ae75cc81084174f4346e", "",
        NULL},
    {"libtorrent", "movie.bin", CREATE_V2, 4194304, "",
        "77b654333731ca10bab712a58937057c9b8b1ccffa496165d387b1e65bd15697", NULL},
    {"libtorrent", "movie.bin", CREATE_HYBRID, 4194304, "73fdd49bd648797ef84e4df1e52ee0e8dd5b3cce",
        "ec9ab0864036ec6febe36403c16a56f4730b8634a64e24aca33e9c021463cbaf", NULL},
    {"libtorrent", "movie.bin", CREATE_V1, 8388608, "6d11c1da419b23dec4617c7520e5dfecbc9778d6", "",
        NULL},
    {"libtorrent", "movie.bin", CREATE_V2, 8388608, "",
        "627b6610aa1ad33b183c84e323ab5fe2854d15cb34c2e666780e62f339435765", NULL},
    {"libtorrent", "movie.bin", CREATE_HYBRID, 8388608, "3d110e65b6867af706ce18dd97faf90a3e4892e6",
        "ea06942c3789e366c45e33ce7b767ee1ce9a59c1d451c6fca5e3572fc0350c0f", NULL},
    {"mktorrent", "movie.bin", CREATE_V1, 32768, "3015db8742e43922785ed071c701e07e72e6b537", "",
        NULL},
    {"transmission-create", "movie.bin", CREATE_V1, 32768, "", "",
        "381a7e893b4e86e9688dd4996e41793821969952"},
    {"mktorrent", "movie.bin", CREATE_V1, 262144, "80735fd2dc9f6ec224b6dc6e99eab092955615c4", "",
        NULL},
    {"transmission-create", "movie.bin", CREATE_V1, 262144, "", "",
        "00a29846c40b0a120aa56cb3f764de8ea7a6e59b"},
};

#endif
