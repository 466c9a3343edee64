package remote

import (
	"context"
	"fmt"
	"strings"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"golang.org/x/crypto/ssh"

	"chatmail-proxy/toolchain/command/lifecycle"
	"chatmail-proxy/toolchain/command/output"
)

// Command is command:remote:Command.
type Command struct{}

// CommandInputs are what the program gives.
type CommandInputs struct {
	lifecycle.Inputs
	Stdin                  *string           `pulumi:"stdin,optional"`
	Logging                *Logging          `pulumi:"logging,optional"`
	Connection             *Connection       `pulumi:"connection" provider:"secret"`
	Environment            map[string]string `pulumi:"environment,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
}

// Printed is what the last command printed, without the last newline.
type Printed struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// CommandOutputs are what the stack keeps.
type CommandOutputs struct {
	CommandInputs
	Printed
}

// Annotate describes the resource in the schema.
func (c *Command) Annotate(a infer.Annotator) {
	a.Describe(&c, "STAND-IN for the published command plugin. Runs a command on a host over SSH.")
}

// Annotate describes the fields in the schema.
func (i *CommandInputs) Annotate(a infer.Annotator) {
	a.Describe(&i.Stdin, "Text that the command reads on its standard input.")
	a.Describe(&i.Logging, "Which streams are shown while the command runs; both by default. "+
		"A failing command prints both all the same.")
	a.Describe(&i.Connection, "The host, and how to log in there.")
	a.Describe(&i.Environment, "Variables for the command; the SSH server refuses those that its AcceptEnv does not name.")
	a.Describe(&i.AddPreviousOutputInEnv, "Whether the command finds the previous outputs in "+
		output.PreviousStdout+" and "+output.PreviousStderr+"; true by default.")
}

// Annotate describes the fields in the schema.
func (p *Printed) Annotate(a infer.Annotator) {
	a.Describe(&p.Stdout, "What the command wrote to stdout, without the last newline.")
	a.Describe(&p.Stderr, "What the command wrote to stderr, without the last newline.")
}

// Create runs the create command, if there is one.
func (*Command) Create(
	ctx context.Context, req infer.CreateRequest[CommandInputs],
) (infer.CreateResponse[CommandOutputs], error) {
	state := CommandOutputs{CommandInputs: req.Inputs}
	id, err := resource.NewUniqueHex(req.Name, 8, 0)
	if err == nil && !req.DryRun {
		err = state.run(ctx, req.Inputs.Create)
	}
	return infer.CreateResponse[CommandOutputs]{ID: id, Output: state}, err
}

// Update runs the update command, or create without one. The new command sees the old one's outputs.
func (*Command) Update(
	ctx context.Context, req infer.UpdateRequest[CommandInputs, CommandOutputs],
) (infer.UpdateResponse[CommandOutputs], error) {
	state := CommandOutputs{CommandInputs: req.Inputs, Printed: req.State.Printed}
	if req.DryRun {
		return infer.UpdateResponse[CommandOutputs]{Output: state}, nil
	}
	err := state.run(ctx, req.Inputs.OnUpdate())
	return infer.UpdateResponse[CommandOutputs]{Output: state}, err
}

// Delete runs the delete command of the last successful run, over the connection of that run.
func (*Command) Delete(
	ctx context.Context, req infer.DeleteRequest[CommandOutputs],
) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, req.State.run(ctx, req.State.Delete)
}

// run does one command and keeps what it printed; nil runs nothing, not even a connection.
func (s *CommandOutputs) run(ctx context.Context, command *string) error {
	if command == nil {
		return nil
	}
	client, err := s.Connection.dial(ctx)
	if err != nil {
		return err
	}
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close() //nolint:errcheck // ended by Run
	if err := s.setVariables(ctx, session); err != nil {
		return err
	}
	if s.Stdin != nil && *s.Stdin != "" {
		session.Stdin = strings.NewReader(*s.Stdin)
	}
	recorder := output.NewRecorder(ctx, (*string)(s.Logging))
	session.Stdout, session.Stderr = recorder.Stdout, recorder.Stderr
	stdout, stderr, err := recorder.Finish(*command, session.Run(*command))
	if err != nil {
		return err
	}
	s.Printed = Printed{Stdout: stdout, Stderr: stderr}
	return nil
}

// setVariables fails on a variable of the program's that the server refuses, and only warns about our own two.
func (s *CommandOutputs) setVariables(ctx context.Context, session *ssh.Session) error {
	const advice = "the SSH server refuses the variable %q: its AcceptEnv does not name it. " +
		"Allow it there, or put it in front of the command: NAME=value command"
	log := provider.GetLogger(ctx)
	for name, value := range s.Environment {
		if err := session.Setenv(name, value); err != nil {
			log.Errorf(advice, name)
			return fmt.Errorf("could not set environment variable %q: %w", name, err)
		}
	}
	if s.AddPreviousOutputInEnv != nil && !*s.AddPreviousOutputInEnv {
		return nil
	}
	for name, value := range map[string]string{output.PreviousStdout: s.Stdout, output.PreviousStderr: s.Stderr} {
		if value == "" {
			continue
		}
		if err := session.Setenv(name, value); err != nil {
			log.Warningf(advice, name)
		}
	}
	return nil
}
