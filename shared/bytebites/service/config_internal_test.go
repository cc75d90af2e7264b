package service

import (
	"testing"
	"time"
)

// The settings of sessions reach the API. They had no setting before, and the API's defaults
// hid that.
func TestSessionSettingsReachTheAPI(t *testing.T) {
	config := parts{}.apiConfig(Resources{Config: Config{SessionTTL: 90 * time.Minute, SecureCookies: true}}, nil, nil)
	if config.SessionTTL != 90*time.Minute || !config.SecureCookies {
		t.Errorf("the API has a TTL of %v and secure cookies %t; want 1h30m0s and true", config.SessionTTL, config.SecureCookies)
	}
}
