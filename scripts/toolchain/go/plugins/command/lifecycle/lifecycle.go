// Package lifecycle holds what local and remote commands have in common: which command runs when.
// It runs nothing itself.
package lifecycle

import "github.com/pulumi/pulumi-go-provider/infer"

// Inputs are the commands of a resource's life.
type Inputs struct {
	Triggers *[]any  `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Create   *string `pulumi:"create,optional"`
	Update   *string `pulumi:"update,optional"`
	Delete   *string `pulumi:"delete,optional"`
}

// Annotate describes the fields in the schema.
func (i *Inputs) Annotate(a infer.Annotator) {
	a.Describe(&i.Triggers, "Any values; a change in one of them replaces the resource, whether there is an "+
		"`update` or not: its `create` runs, then the old one's `delete`.")
	a.Describe(&i.Create, "Runs when the resource is created, and on a change of any input if there is no `update`.")
	a.Describe(&i.Update, "Runs on a change of any input but `triggers`; without it, `create` runs again.")
	a.Describe(&i.Delete, "Runs when the resource is deleted or replaced, with the inputs of the last successful run.")
}

// OnUpdate is the command that an update runs; nil for none.
func (i Inputs) OnUpdate() *string {
	if i.Update != nil {
		return i.Update
	}
	return i.Create
}
