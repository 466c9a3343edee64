package remote

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-go-provider/infer"

	"chatmail-proxy/toolchain/command/lifecycle"
)

func to[T any](value T) *T { return &value }

// anInput is a complete input for the server, with the defaults that the engine fills in.
func anInput(s *server, commands lifecycle.Inputs) CommandInputs {
	return CommandInputs{Inputs: commands, Connection: &Connection{endpoint: endpoint{
		User:           to("root"),
		Host:           to("127.0.0.1"),
		Port:           to(s.port),
		PrivateKey:     to(clientKey.text),
		PerDialTimeout: to(5),
		DialErrorLimit: to(0),
		HostKey:        to(s.hostKey),
	}}}
}

func create(t *testing.T, input CommandInputs) (CommandOutputs, error) {
	t.Helper()
	t.Setenv("SSH_AUTH_SOCK", "")
	response, err := (&Command{}).Create(context.Background(), infer.CreateRequest[CommandInputs]{Name: "n", Inputs: input})
	return response.Output, err
}

func echoes(seen *call) uint32 {
	_, _ = fmt.Fprintf(seen, "ran %s\n\n", seen.command)
	_, _ = fmt.Fprintf(seen.stderr, "read %q\n", seen.stdin)
	return 0
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not contain %q", err, part)
		}
	}
}

func TestKeepsBothStreamsWithoutTheirLastNewline(t *testing.T) {
	input := anInput(startServer(t, echoes), lifecycle.Inputs{Create: to("c")})
	input.Stdin = to("in")
	state, err := create(t, input)
	if err != nil || state.Stdout != "ran c\n" || state.Stderr != `read "in"` {
		t.Errorf("got %q, %q, %v", state.Stdout, state.Stderr, err)
	}
}

func TestFailurePrintsTheWholeCommandAndItsOutput(t *testing.T) {
	s := startServer(t, func(seen *call) uint32 { _, _ = io.WriteString(seen, "half done\n"); return 3 })
	input := anInput(s, lifecycle.Inputs{Create: to("install --with everything")})
	input.Logging = to(Logging("none"))
	_, err := create(t, input)
	wantError(t, err, "Process exited with status 3", `running "install --with everything":`, "half done")
}

func TestAcceptsAnyHostWithoutHostKeyAndOnlyThatHostWithOne(t *testing.T) {
	s := startServer(t, echoes)
	input := anInput(s, lifecycle.Inputs{Create: to("c")})
	input.Connection.HostKey = nil
	if _, err := create(t, input); err != nil {
		t.Error(err)
	}
	input.Connection.HostKey = to(startServer(t, echoes).hostKey)
	_, err := create(t, input)
	wantError(t, err, "host key mismatch")
}

func TestDialErrorLimitCountsTheFailuresThatAreTolerated(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := float64(listener.Addr().(*net.TCPAddr).Port)
	_ = listener.Close()
	input := anInput(startServer(t, echoes), lifecycle.Inputs{Create: to("c")})
	input.Connection.Port = to(closed)
	input.Connection.DialErrorLimit = to(2)
	_, err = create(t, input)
	wantError(t, err, "after 2 failed attempts: dial tcp")
}

func TestStaleAgentFailsEvenWithAGoodKey(t *testing.T) {
	input := anInput(startServer(t, echoes), lifecycle.Inputs{Create: to("c")})
	input.Connection.AgentSocketPath = to(filepath.Join(t.TempDir(), "agent"))
	_, err := create(t, input)
	wantError(t, err, "dial unix", "no such file or directory")
}

func TestRefusedVariableFailsTheCommandAndRefusedOutputOfTheLastRunDoesNot(t *testing.T) {
	s := startServer(t, echoes)
	input := anInput(s, lifecycle.Inputs{Create: to("c")})
	input.Environment = map[string]string{"ALLOWED": "1"}
	state, err := create(t, input)
	if err != nil {
		t.Fatal(err)
	}
	_, err = (&Command{}).Update(context.Background(), infer.UpdateRequest[CommandInputs, CommandOutputs]{Inputs: input, State: state})
	if err != nil || s.calls[1].environment["PULUMI_COMMAND_STDOUT"] != "ran c\n" {
		t.Errorf("update: %v, %v", err, s.calls[1].environment)
	}
	input.Environment = map[string]string{"OTHER": "1"}
	_, err = create(t, input)
	wantError(t, err, `could not set environment variable "OTHER"`)
}

func TestUpdateFallsBackToCreateAndDeleteRunsOnlyItsOwn(t *testing.T) {
	s := startServer(t, echoes)
	ctx, command := context.Background(), &Command{}
	t.Setenv("SSH_AUTH_SOCK", "")
	for _, commands := range []lifecycle.Inputs{
		{Create: to("c1")},
		{Create: to("c2"), Update: to("u2"), Delete: to("d2")},
		{},
	} {
		input := anInput(s, commands)
		state := CommandOutputs{CommandInputs: input}
		if _, err := command.Update(ctx, infer.UpdateRequest[CommandInputs, CommandOutputs]{Inputs: input}); err != nil {
			t.Error(err)
		}
		if _, err := command.Delete(ctx, infer.DeleteRequest[CommandOutputs]{State: state}); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(s.commands(), " "); got != "c1 u2 d2" {
		t.Errorf("ran %q", got)
	}
}

func TestPreviewRunsNothing(t *testing.T) {
	s := startServer(t, echoes)
	request := infer.CreateRequest[CommandInputs]{Name: "n", Inputs: anInput(s, lifecycle.Inputs{Create: to("c")}), DryRun: true}
	if _, err := (&Command{}).Create(context.Background(), request); err != nil || len(s.commands()) != 0 {
		t.Errorf("ran %v, %v", s.commands(), err)
	}
}

func TestGoesThroughAProxy(t *testing.T) {
	input := anInput(startServer(t, echoes), lifecycle.Inputs{Create: to("c")})
	input.Connection.Proxy = &ProxyConnection{endpoint: input.Connection.endpoint}
	_, err := create(t, input)
	// The test server opens no tunnels: its refusal shows that the proxy was asked, and at which stage it failed.
	wantError(t, err, "proxy: after 0 failed attempts: ssh: rejected")
}
