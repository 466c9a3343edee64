// Package output keeps what a command prints and shows it while the command runs. It knows neither SSH nor processes.
package output

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	provider "github.com/pulumi/pulumi-go-provider"
)

// The variables under which a command finds what its predecessor printed.
const (
	PreviousStdout = "PULUMI_COMMAND_STDOUT"
	PreviousStderr = "PULUMI_COMMAND_STDERR"
)

// Streams says which streams a logging mode shows; no mode shows both.
func Streams(mode *string) (stdout, stderr bool) {
	if mode == nil {
		return true, true
	}
	both := *mode == "stdoutAndStderr"
	return both || *mode == "stdout", both || *mode == "stderr"
}

// Recorder receives a running command's output.
type Recorder struct {
	Stdout, Stderr io.Writer

	stdout, stderr bytes.Buffer
	both           lockedBuffer // in the order of arrival, for the error message
	show           *io.PipeWriter
	shown          chan struct{}
}

// NewRecorder starts recording; Finish must follow.
//
// Trap, kept on purpose: a line above 64 KiB ends the showing, and nobody reads the pipe any more, so a command that
// prints such a line while its stream is shown hangs for ever. The published plugin does the same.
func NewRecorder(ctx context.Context, mode *string) *Recorder {
	lines, show := io.Pipe()
	r := &Recorder{show: show, shown: make(chan struct{})}
	showStdout, showStderr := Streams(mode)
	r.Stdout = r.tee(&r.stdout, showStdout)
	r.Stderr = r.tee(&r.stderr, showStderr)
	go func() {
		defer close(r.shown)
		for scanner := bufio.NewScanner(lines); scanner.Scan(); {
			provider.GetLogger(ctx).InfoStatus(scanner.Text())
		}
	}()
	return r
}

func (r *Recorder) tee(own io.Writer, shown bool) io.Writer {
	if shown {
		return io.MultiWriter(own, &r.both, r.show)
	}
	return io.MultiWriter(own, &r.both)
}

// Finish waits until all output is shown. A failed command's error names the whole command and everything it printed.
func (r *Recorder) Finish(command string, failure error) (stdout, stderr string, err error) {
	_ = r.show.Close() // never fails
	<-r.shown
	if failure != nil {
		return "", "", fmt.Errorf("%w: running %q:\n%s", failure, command, r.both.String())
	}
	return strings.TrimSuffix(r.stdout.String(), "\n"), strings.TrimSuffix(r.stderr.String(), "\n"), nil
}

// lockedBuffer takes both streams, which arrive on two goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}
