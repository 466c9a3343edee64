package output

import "testing"

func TestStreamsFollowTheLoggingMode(t *testing.T) {
	for _, row := range []struct {
		mode           *string
		stdout, stderr bool
	}{
		{nil, true, true},
		{to("stdoutAndStderr"), true, true},
		{to("stdout"), true, false},
		{to("stderr"), false, true},
		{to("none"), false, false},
	} {
		if stdout, stderr := Streams(row.mode); stdout != row.stdout || stderr != row.stderr {
			t.Errorf("mode %v shows %v, %v", row.mode, stdout, stderr)
		}
	}
}

func to(mode string) *string { return &mode }
