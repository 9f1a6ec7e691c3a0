/* RC4 for x86-64, eight bytes at a time. rc4.c says what it does and why; here it has all of it in
 * registers, where a compiler spills half and widens every byte. It stores two words a byte, and
 * that is what bounds it. The contract: rc4_blocks.h. */
#if defined(__x86_64__) && defined(__ELF__)
#ifdef __CET__
#include <cet.h>
#else
#define _CET_ENDBR
#endif

#define S %rdi     /* the state: words that are bytes */
#define IN %rsi
#define OUT %rdx   /* less IN */
#define J %rcx     /* below 256, as Y: both are added to as bytes, which needs no mask */
#define J8 %cl
#define I %rax     /* of the block's first step */
#define I8 %al
#define Y %rbp
#define Y32 %ebp
#define Y8 %bpl
#define AHEAD %rbx /* in its low byte J - (I + k) - 1: how far ahead of step k s[J] lies */
#define AHEAD32 %ebx
#define AHEAD8 %bl
#define END 0(%rsp)

/* What steps `from` to 7 find at their index. */
.macro loads from
    .if \from <= 0
    movl 0(S, I, 4), %r8d
    .endif
    .if \from <= 1
    movl 4(S, I, 4), %r9d
    .endif
    .if \from <= 2
    movl 8(S, I, 4), %r10d
    .endif
    .if \from <= 3
    movl 12(S, I, 4), %r11d
    .endif
    .if \from <= 4
    movl 16(S, I, 4), %r12d
    .endif
    .if \from <= 5
    movl 20(S, I, 4), %r13d
    .endif
    .if \from <= 6
    movl 24(S, I, 4), %r14d
    .endif
    movl 28(S, I, 4), %r15d
.endm

/* Step k. Key stream bytes are gathered in words: the even ones in xmm0, the odd ones in xmm1. */
.macro step k, x, to
    addb %\x\()b, J8
    leal -1(AHEAD, %\x), AHEAD32
    movl (S, J, 4), Y32
    movl %\x\()d, (S, J, 4)
    movl Y32, 4 * \k(S, I, 4)
    addb %\x\()b, Y8
    .if \k < 2
    movd (S, Y, 4), \to
    .else
    pinsrw $\k / 2, (S, Y, 4), \to
    .endif
    .if \k < 7
    cmpb $7 - \k, AHEAD8
    jb .Lhit\k
.Lnext\k:
    .endif
.endm

/* Step k stored into what was read ahead. */
.macro hit k, next
.Lhit\k:
    loads \next
    jmp .Lnext\k
.endm

    .text
    .p2align 5
    .globl rc4_blocks_x86_64
    .hidden rc4_blocks_x86_64
    .type rc4_blocks_x86_64, @function
rc4_blocks_x86_64:
    .cfi_startproc
    _CET_ENDBR
    movq %r9, %rax
.irp r, rbx, rbp, r12, r13, r14, r15
    pushq %\r
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset \r, 0
.endr
    subq IN, OUT
    addq IN, %rcx
    pushq %rcx
    .cfi_adjust_cfa_offset 8
    movq %r8, J

    .p2align 5
.Lblock:
    movl %ecx, AHEAD32
    subl %eax, AHEAD32
    loads 0
    step 0, r8, %xmm0
    step 1, r9, %xmm1
    step 2, r10, %xmm0
    step 3, r11, %xmm1
    step 4, r12, %xmm0
    step 5, r13, %xmm1
    step 6, r14, %xmm0
    step 7, r15, %xmm1
    psllw $8, %xmm1
    pxor %xmm1, %xmm0
    movq (IN), %xmm1
    pxor %xmm1, %xmm0
    movq %xmm0, (IN, OUT)
    addq $8, IN
    addb $8, I8
    cmpq END, IN
    jne .Lblock

    movq J, %rax
    popq %rcx
    .cfi_adjust_cfa_offset -8
.irp r, r15, r14, r13, r12, rbp, rbx
    popq %\r
    .cfi_adjust_cfa_offset -8
    .cfi_restore \r
.endr
    ret

    hit 0, 1
    hit 1, 2
    hit 2, 3
    hit 3, 4
    hit 4, 5
    hit 5, 6
    hit 6, 7
    .cfi_endproc
    .size rc4_blocks_x86_64, . - rc4_blocks_x86_64
#endif
#ifdef __ELF__
    .section .note.GNU-stack, "", @progbits
#endif
