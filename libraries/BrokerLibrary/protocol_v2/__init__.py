"""Protocol V2: the TLV messages that producers put into a broker's payloads and consumers take out of them.

Section 3 of the contract describes several protocols that contradict each other; this package speaks one of them, as
section 8 decides: the 32-byte header of `libs/types`, domains 1 to 4, the codec's source numbers, a CRC-32 that skips
its own four bytes, Quote of 56 bytes, ArbitrageSignal of 170, execution types from 40 to 79. What the other
descriptions would make of a message stands in `golden.yaml`, among what has to be refused.

The broker knows nothing of this: to it a payload is bytes.

| module | what is in it |
|---|---|
| `header` | the header, its domains and sources, the checksum |
| `registry` | every TLV type: number, size, domain |
| `tlv` | standard and extended TLVs, one after the other |
| `layout`, `layouts`, `book`, `instruments` | values with known fields, to and from bytes |
| `messages` | whole messages, one at a time |
| `policy` | what each domain accepts: sizes, types, timestamps, sequences |
| `errors` | what can be wrong with a message |
| `kernels`, `batched` | compiled: many messages at once, to and from arrays |
| `workload` | a batch to build and one to parse, for whoever measures rates |
| `golden` | recorded messages and what they mean; wrong ones and why |
"""
