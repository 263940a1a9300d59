package slots

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// protos/vectors/slots.json holds the cases that every implementation must pass.
func TestTheGoldenCases(t *testing.T) {
	text, err := os.ReadFile("../../../protos/vectors/slots.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			KeyHex string `json:"key_hex"`
			Slot   uint32 `json:"slot"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Cases) < 10 {
		t.Fatalf("only %d cases", len(vectors.Cases))
	}
	for _, golden := range vectors.Cases {
		key, err := hex.DecodeString(golden.KeyHex)
		if err != nil {
			t.Fatal(err)
		}
		if slot := Of(key); slot != golden.Slot {
			t.Errorf("%q: slot %d, not %d", key, golden.Slot, slot)
		}
	}
}

func TestPartitionsAreContiguousAndTakeAllSlots(t *testing.T) {
	for partitions := uint32(1); partitions <= Count; partitions *= 2 {
		if first, last := Partition(0, partitions), Partition(Count-1, partitions); first != 0 || last != partitions-1 {
			t.Errorf("of %d partitions the slots take %d to %d", partitions, first, last)
		}
		for slot := uint32(1); slot < Count; slot++ {
			if step := Partition(slot, partitions) - Partition(slot-1, partitions); step > 1 {
				t.Fatalf("of %d partitions, slot %d begins %d at once", partitions, slot, step)
			}
		}
	}
}
