package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader is the header with the signature of a payment webhook.
const SignatureHeader = "Webhook-Signature"

// SignatureTolerance is the greatest difference between a webhook's time and ours, in both
// directions. An older webhook may be a replay.
const SignatureTolerance = 5 * time.Minute

// maxSignatures allows the provider to sign with several keys while it rotates them.
const maxSignatures = 4

// Sign returns the header's value for a body: t=<unix seconds>,v1=<hex of HMAC-SHA-256(secret, t
// "." body)>.
func Sign(secret, body []byte, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(signatureOf(secret, t, body))
}

func signatureOf(secret []byte, t string, body []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(t))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return mac.Sum(nil)
}

// signature is a parsed header.
type signature struct {
	stamp  string // as in the header
	at     time.Time
	hashes [][]byte
}

func parseSignature(header string) (signature, error) {
	var s signature
	if len(header) > 1024 {
		return s, errors.New("header too long")
	}
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			seconds, err := strconv.ParseInt(value, 10, 64)
			if err != nil || seconds <= 0 || s.stamp != "" {
				return s, errors.New("bad time")
			}
			s.stamp, s.at = value, time.Unix(seconds, 0)
		case "v1":
			hash, err := hex.DecodeString(value)
			if err != nil || len(hash) != sha256.Size || len(s.hashes) == maxSignatures {
				return s, errors.New("bad signature")
			}
			s.hashes = append(s.hashes, hash)
		default: // a newer scheme beside v1
		}
	}
	if s.stamp == "" || len(s.hashes) == 0 {
		return s, errors.New("no time or no signature")
	}
	return s, nil
}

// verifySignature returns nil if header signs body with secret, at a time within the tolerance of
// now.
func verifySignature(secret []byte, header string, body []byte, now time.Time) error {
	s, err := parseSignature(header)
	if err != nil {
		return err
	}
	want := signatureOf(secret, s.stamp, body)
	genuine := false
	for _, hash := range s.hashes {
		genuine = hmac.Equal(hash, want) || genuine
	}
	if !genuine {
		return errors.New("no signature matches")
	}
	if now.Sub(s.at).Abs() > SignatureTolerance {
		return fmt.Errorf("signed %v from now", now.Sub(s.at).Round(time.Second))
	}
	return nil
}
