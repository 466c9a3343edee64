// Package local is the stand-in's command:local:Command and command:local:run: a process on the machine that runs
// Pulumi.
package local

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"chatmail-proxy/toolchain/command/lifecycle"
)

// Command is command:local:Command.
type Command struct{}

// Run is command:local:run.
type Run struct{}

// CommandInputs are what the program gives to a resource.
type CommandInputs struct {
	lifecycle.Inputs
	Process
}

// RunInputs are what the program gives to the function.
type RunInputs struct {
	Process
	Command string `pulumi:"command"`
}

// CommandOutputs are what the stack keeps.
type CommandOutputs struct {
	CommandInputs
	Printed
}

// RunOutputs are what the function returns.
type RunOutputs struct {
	RunInputs
	Printed
}

// Annotate describes the resource in the schema.
func (c *Command) Annotate(a infer.Annotator) {
	a.Describe(&c, "STAND-IN for the published command plugin. Runs a command on the machine that runs Pulumi.")
}

// Annotate describes the function in the schema.
func (r *Run) Annotate(a infer.Annotator) {
	a.Describe(&r, "STAND-IN for the published command plugin. Runs a command at once, also in every preview.")
}

// Annotate describes the fields in the schema.
func (i *RunInputs) Annotate(a infer.Annotator) {
	a.Describe(&i.Command, "The command.")
}

// Create runs the create command, if there is one.
func (*Command) Create(
	ctx context.Context, req infer.CreateRequest[CommandInputs],
) (infer.CreateResponse[CommandOutputs], error) {
	state := CommandOutputs{CommandInputs: req.Inputs}
	id, err := resource.NewUniqueHex(req.Name, 8, 0)
	if err == nil && !req.DryRun {
		err = state.run(ctx, req.Inputs.Create, &state.Printed)
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
	err := state.run(ctx, req.Inputs.OnUpdate(), &state.Printed)
	return infer.UpdateResponse[CommandOutputs]{Output: state}, err
}

// Delete runs the delete command of the last successful run.
func (*Command) Delete(
	ctx context.Context, req infer.DeleteRequest[CommandOutputs],
) (infer.DeleteResponse, error) {
	state := req.State
	return infer.DeleteResponse{}, state.run(ctx, state.Delete, &state.Printed)
}

// Invoke runs the command, in a preview too.
func (*Run) Invoke(
	ctx context.Context, req infer.FunctionRequest[RunInputs],
) (infer.FunctionResponse[RunOutputs], error) {
	out := RunOutputs{RunInputs: req.Input}
	err := out.run(ctx, &req.Input.Command, &out.Printed)
	return infer.FunctionResponse[RunOutputs]{Output: out}, err
}
