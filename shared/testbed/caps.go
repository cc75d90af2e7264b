package testbed

// rootThenUserCaps are the capabilities of an image whose entrypoint starts as root,
// gives its data to another user, and goes on as that user.
func rootThenUserCaps() []string {
	return []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
}
