package testbed

// rootThenUserCaps returns the capabilities for an image whose entrypoint starts as root,
// gives its data to another user, and then runs as that user.
func rootThenUserCaps() []string {
	return []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
}
