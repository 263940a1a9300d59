package refusal

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestDetailsAreRead(t *testing.T) {
	told, err := status.New(codes.Unavailable, "wait").WithDetails(
		&errdetails.ErrorInfo{
			Domain: "shoal", Reason: "NO_OWNER", Metadata: map[string]string{"outcome": "NOT_APPLIED"},
		},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(50 * time.Millisecond)},
	)
	if err != nil {
		t.Fatal(err)
	}
	refusal := Of(told.Err())
	if refusal.Reason != "NO_OWNER" || !refusal.MayBeRepeated() ||
		refusal.RetryAfter != 50*time.Millisecond {
		t.Errorf("read %v", refusal)
	}
}

func TestAnErrorOfAnotherKindHasNoReason(t *testing.T) {
	refusal := Of(errors.New("the cable is out"))
	if refusal.Reason != "" || refusal.MayBeRepeated() || refusal.RetryAfter != 0 {
		t.Errorf("read %v", refusal)
	}
}
