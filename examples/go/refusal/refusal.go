// Package refusal reads what a Shoal error says beside its code: the reason, whether the
// request may have been applied, and when to try again.
package refusal

import (
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Refusal is an error of shoal.v1, taken apart. docs/reasons.md lists the reasons.
type Refusal struct {
	Code   codes.Code
	Reason string
	// Metadata holds "outcome", and what goes with the reason, as "address" with MOVED.
	Metadata map[string]string
	// RetryAfter is how long to wait before trying again. 0: trying again does not help.
	RetryAfter time.Duration
}

// Of takes an error apart. Reason is empty where the error is not one of Shoal's, as when the
// connection was lost.
func Of(err error) Refusal {
	told := status.Convert(err)
	refusal := Refusal{Code: told.Code()}
	for _, detail := range told.Details() {
		switch it := detail.(type) {
		case *errdetails.ErrorInfo:
			refusal.Reason, refusal.Metadata = it.GetReason(), it.GetMetadata()
		case *errdetails.RetryInfo:
			refusal.RetryAfter = it.GetRetryDelay().AsDuration()
		}
	}
	return refusal
}

// MayBeRepeated says whether the request had no effect and never will.
func (r Refusal) MayBeRepeated() bool {
	return r.Metadata["outcome"] == "NOT_APPLIED"
}

func (r Refusal) String() string {
	said := fmt.Sprintf("%s, %s, %s", r.Code, r.Reason, r.Metadata["outcome"])
	if r.RetryAfter > 0 {
		said += fmt.Sprintf(", again in %s", r.RetryAfter)
	}
	return said
}
