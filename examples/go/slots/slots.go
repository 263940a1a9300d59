// Package slots computes where a key belongs: slot = CRC16/XMODEM(hash tag or key) mod 16384,
// as Redis Cluster does. protos/vectors/slots.json holds the cases that this must pass.
package slots

import "bytes"

// Count of slots.
const Count = 16384

// table holds the CRC of each byte: polynomial 0x1021, initial value 0, not reflected.
var table = func() (table [256]uint16) {
	for value := range table {
		crc := uint16(value) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
		table[value] = crc
	}
	return table
}()

// Of returns the slot of a key, or of its hash tag where it has one: what stands between the
// first '{' and the first '}' after it, unless that is nothing.
func Of(key []byte) uint32 {
	if _, rest, opened := bytes.Cut(key, []byte("{")); opened {
		if tag, _, closed := bytes.Cut(rest, []byte("}")); closed && len(tag) > 0 {
			key = tag
		}
	}
	var crc uint16
	for _, it := range key {
		crc = crc<<8 ^ table[byte(crc>>8)^it]
	}
	return uint32(crc) % Count
}

// Partition returns the partition that holds a slot; partitions is their number.
func Partition(slot, partitions uint32) uint32 {
	return slot * partitions / Count
}
