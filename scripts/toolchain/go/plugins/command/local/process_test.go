package local

import (
	"context"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-go-provider/infer"

	"chatmail-proxy/toolchain/command/lifecycle"
)

func to[T any](value T) *T { return &value }

func update(commands lifecycle.Inputs, process Process, previous Printed) (Printed, error) {
	response, err := (&Command{}).Update(context.Background(), infer.UpdateRequest[CommandInputs, CommandOutputs]{
		Inputs: CommandInputs{Inputs: commands, Process: process},
		State:  CommandOutputs{Printed: previous},
	})
	return response.Output.Printed, err
}

func TestUpdateSeesThePreviousOutputsUnlessToldNotTo(t *testing.T) {
	show := lifecycle.Inputs{Create: to(`cat; printf '[%s|%s]\n' "$PULUMI_COMMAND_STDOUT" "$PULUMI_COMMAND_STDERR"`)}
	for _, row := range []struct {
		process Process
		want    string
	}{
		{Process{Stdin: to("in")}, "in[a|b]"},
		{Process{AddPreviousOutputInEnv: to(false)}, "[|]"},
	} {
		got, err := update(show, row.process, Printed{Stdout: "a", Stderr: "b"})
		if err != nil || got.Stdout != row.want {
			t.Errorf("got %q, %v; want %q", got.Stdout, err, row.want)
		}
	}
}

func TestFailureKeepsThePreviousOutputsAndPrintsTheCommand(t *testing.T) {
	got, err := update(lifecycle.Inputs{Update: to("echo half; exit 4")}, Process{Logging: to(Logging("none"))}, Printed{Stdout: "a"})
	if err == nil || !strings.Contains(err.Error(), "exit status 4: running \"echo half; exit 4\":\nhalf") || got.Stdout != "a" {
		t.Errorf("got %q, %v", got.Stdout, err)
	}
}

func TestRefusesWhatTheStandInDoesNotDo(t *testing.T) {
	if _, err := update(lifecycle.Inputs{Create: to("true")}, Process{AssetPaths: to([]string{"*"})}, Printed{}); err == nil {
		t.Error("assetPaths went through silently")
	}
}
